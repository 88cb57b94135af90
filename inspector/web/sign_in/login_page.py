"""The page with all ways to log in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from inspector.http.auth_middleware import LOGIN_COOKIE, AuthMiddleware
from inspector.http.form_tokens import new_id
from inspector.http.routing import ErrorAnswer
from inspector.web.pages import Pages

if TYPE_CHECKING:
    from inspector.sign_in.oidc.sign_in import OidcSignIn  # needs the extra `oidc`

OIDC_LOGIN = "/login/oidc"
"""Path that sends the browser to the provider of OpenID Connect."""

MAX_NAME_CHARS = 64
"""Longest name of a user with a password."""

_LOGIN_S = 3600
_ID = re.compile(r"[A-Za-z0-9_-]{43}")


class LoginPage:
    """Shows the ways to log in that are configured."""

    def __init__(self, auth: AuthMiddleware, pages: Pages, oidc: OidcSignIn | None) -> None:
        self._auth = auth
        self._pages = pages
        self._oidc = oidc

    def show(
        self,
        request: web.Request,
        path: str,
        *,
        name: str = "",
        signed_in: str = "",
        refusal: ErrorAnswer | None = None,
    ) -> web.Response:
        """The page. path: the page to go to after the login. signed_in: the user whom a proxy signs in."""
        auth, oidc = self._auth, self._oidc
        cookie = request.cookies.get(LOGIN_COOKIE, "")
        holder = cookie if _ID.fullmatch(cookie) else new_id()
        answer = self._pages.show(
            request,
            None,
            "login.html",
            status=refusal.status if refusal else 200,
            name=name[:MAX_NAME_CHARS],
            next=path,
            token=auth.tokens.token_for(holder),
            fault=refusal.text if refusal else "",
            has_passwords=bool(auth.accounts),
            has_proxy_login=auth.has_proxy_login,
            signed_in=signed_in,
            provider=oidc.title if oidc else "",
            # At the address that the provider sends the browser back to, since a cookie belongs to one address.
            provider_link=f"{oidc.public_url}{OIDC_LOGIN}?next={quote(path, safe='')}" if oidc else "",
            provider_logout=oidc.logout_address() if oidc and "left" in request.query else "",
        )
        answer.headers.update(refusal.headers if refusal else {})
        answer.set_cookie(
            LOGIN_COOKIE,
            holder,
            path="/login",
            max_age=_LOGIN_S,
            httponly=True,
            samesite="Strict",
            secure=auth.is_https(request),
        )
        return answer
