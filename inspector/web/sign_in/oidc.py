"""The two requests of a login by OpenID Connect: to the provider, and back."""

from __future__ import annotations

import logging

from aiohttp import hdrs, web

from inspector.http.app_context import AppContext
from inspector.http.auth_middleware import AuthMiddleware, keep_session, redirect, safe_redirect_path
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.operations.login_audit import record_login
from inspector.sign_in.identity import SignInRefused
from inspector.sign_in.oidc.errors import OidcError
from inspector.sign_in.oidc.flow import LOGIN_S
from inspector.sign_in.oidc.sign_in import CALLBACK, OidcSignIn
from inspector.web.pages import Pages
from inspector.web.sign_in.login_page import OIDC_LOGIN, LoginPage

_COOKIE = "hookline_oidc"
_HTTPS_COOKIE = f"__Host-{_COOKIE}"

log = logging.getLogger("hookline.inspector")


def oidc_routes(
    context: AppContext, auth: AuthMiddleware, pages: Pages, page: LoginPage, oidc: OidcSignIn
) -> list[Route]:
    """The routes below /login/oidc."""
    cookie_name = _HTTPS_COOKIE if oidc.is_https else _COOKIE

    async def begin(request: web.Request, _: Principal) -> Answer:
        path = safe_redirect_path(request.query.get("next", "/"))
        try:
            address, cookie = await oidc.begin(path)
        except OidcError as error:
            log.warning("cannot begin a login: %s", error, extra={"action": "inspector_oidc_unavailable"})
            way_out = "log in with a password, or try again" if auth.accounts else "try again"
            text = f"{oidc.title} does not answer as it should. In a moment {way_out}. The log has details."
            refusal = ErrorAnswer(503, text, {hdrs.RETRY_AFTER: "5"})
            return page.show(request, path, refusal=refusal)
        answer = redirect(address)
        # Not Strict: the provider's answer comes from another site. Lax is sent with it, since it is a link.
        answer.set_cookie(
            cookie_name,
            cookie,
            path="/",
            max_age=LOGIN_S,
            httponly=True,
            samesite="Lax",
            secure=oidc.is_https,
        )
        return answer

    async def finish(request: web.Request, _: Principal) -> Answer:
        finished = await oidc.finish(request.query, request.cookies.get(cookie_name, ""))
        address = auth.address(request)
        if isinstance(finished, SignInRefused):
            auth.refusals.refused("oidc_login", finished.reason, address)
            return ErrorAnswer(finished.status, finished.text)
        await record_login(context.partitions.control, finished.identity, address)
        # A redirect would still count as a link from the provider's site, and go without the new session cookie.
        answer = pages.show(request, None, "onward.html", to=finished.next_path)
        keep_session(answer, auth.sessions.begin(finished.identity), https=oidc.is_https)
        answer.del_cookie(cookie_name, path="/", secure=oidc.is_https, httponly=True, samesite="Lax")
        return answer

    return [Route("GET", OIDC_LOGIN, begin, "none"), Route("GET", CALLBACK, finish, "none")]
