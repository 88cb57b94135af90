"""Sign-in by OpenID Connect: the authorization code flow with PKCE. Needs the extra `oidc`.

Lifecycle of a login: `OidcSignIn.begin` sends the browser to the provider with a cookie. The provider sends it
back with a code. `OidcSignIn.finish` exchanges the code for an ID token, verifies the token, and returns its user.
"""
