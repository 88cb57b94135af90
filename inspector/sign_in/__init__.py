"""Users who sign in elsewhere, through a proxy or by OpenID Connect. Their rights come from their groups."""
