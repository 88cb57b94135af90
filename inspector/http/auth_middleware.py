"""Authentication and authorization. Every request goes through `admit` before it reaches a handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from urllib.parse import quote

from aiohttp import hdrs, web

from inspector.http import request_origin
from inspector.http.accounts import Accounts
from inspector.http.failed_logins import FailedLogins
from inspector.http.form_tokens import Tokens
from inspector.http.login_throttle import LoginThrottle, address_key
from inspector.http.principal import Principal, Right
from inspector.http.routing import Answer, ClientRedirect, ErrorAnswer, Route, is_api, is_live
from inspector.http.sessions import Sessions
from inspector.settings import Settings

ClientAddress = Callable[[str | None, Sequence[str], Sequence[str]], str]
"""(peer address of the connection, all X-Forwarded-For, all Forwarded) -> address of the client."""

FORM_FIELD = "csrf"
FORM_HEADER = "X-CSRF-Token"
LOGIN_COOKIE = "hookline_login"
"""Cookie that the token of the login form belongs to, since there is no session yet."""

_SESSION_COOKIE = "hookline_session"
# Browsers accept a cookie with the prefix __Host- only from this host, not from other hosts of the domain.
_HTTPS_SESSION_COOKIE = f"__Host-{_SESSION_COOKIE}"
"""Name of the session cookie with https."""

_BODY_S = 5.0
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_LOCAL = "local"

ANONYMOUS = Principal(name="", role="read", may_reveal=False, has_session=False, csrf="")
_BAD_FORM_TOKEN = ErrorAnswer(
    403,
    "This form belongs to another login, or the inspector was restarted. Go back, reload the page, and send "
    "the form again.",
)
_CROSS_SITE = ErrorAnswer(403, "This request came from another web site, so it was rejected.")
_ENCODED_BODY = ErrorAnswer(415, "Send the body uncompressed, without a Content-Encoding header.")
_REQUEST_TIMEOUT = ErrorAnswer(408, "The request took too long to arrive.")


class AuthMiddleware:
    """Identifies the user of a request by session or token, and checks rights and form tokens."""

    def __init__(self, settings: Settings, client_address: ClientAddress) -> None:
        self.accounts = Accounts(settings.users)
        self.sessions = Sessions(settings)
        self.throttle = LoginThrottle()
        self.failed_logins = FailedLogins(self.throttle)
        self.tokens = Tokens()
        self._client_address = client_address
        self._proxies = [ip_network(proxy.strip()) for proxy in settings.trusted_proxies]

    def address(self, request: web.Request) -> str:
        """The address of the client. Proxies count only if they are in `trusted_proxies`."""
        forwarded = (request.headers.getall(name, ()) for name in (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED))
        return self._client_address(_peer_address(request), *(tuple(lines) for lines in forwarded))

    def is_https(self, request: web.Request) -> bool:
        """Return whether the browser uses https to a proxy, by its Origin header or a trusted proxy's headers."""
        return request_origin.is_https(request.headers) or (
            request_origin.is_inside(_peer_address(request), self._proxies)
            and request_origin.is_forwarded_https(request.headers)
        )

    def principal(self, request: web.Request) -> Principal | ErrorAnswer:
        """The user by session, or below /api/ by bearer token; ANONYMOUS if the request has neither."""
        if not self.accounts:
            return Principal(
                name=_LOCAL,
                role="operate",
                may_reveal=True,
                has_session=False,
                csrf=self.tokens.token_for(_LOCAL),
            )
        if is_api(request) and hdrs.AUTHORIZATION in request.headers:
            return self._by_token(request)
        session_id = session_of(request)
        name = self.sessions.user_of(session_id, is_user_action=not is_live(request)) if session_id else None
        return self._principal(name, session_id) if name else ANONYMOUS

    async def admit(self, request: web.Request, route: Route) -> Principal | Answer:
        """The user, if they may use the route; else the response to send instead."""
        principal = self.principal(request)
        if isinstance(principal, ErrorAnswer):
            return principal
        if not principal.may(route.right):
            return _login_required(request) if principal is ANONYMOUS else forbidden(principal, route.right)
        if route.method == hdrs.METH_GET:
            return principal
        if hdrs.CONTENT_ENCODING in request.headers:
            return _ENCODED_BODY
        fault = (
            self._api_fault(request, principal)
            if is_api(request)
            else await self._form_fault(request, route, principal)
        )
        return fault or principal

    def _by_token(self, request: web.Request) -> Principal | ErrorAnswer:
        scheme, _, token = request.headers[hdrs.AUTHORIZATION].partition(" ")
        name = self.accounts.by_token(token.strip()) if scheme.lower() == "bearer" else None
        if name is not None:
            return self._principal(name, "")
        address = self.address(request)
        wait_s = self.failed_logins.failed("token", (address_key(address),), address=address, user="")
        return too_many_tries(wait_s) if wait_s else _unauthorized()

    def _principal(self, name: str, session_id: str) -> Principal:
        user = self.accounts.get(name)
        if user is None:
            return ANONYMOUS
        token = self.tokens.token_for(session_id) if session_id else ""
        return Principal(
            name=name, role=user.role, may_reveal=user.reveal, has_session=bool(session_id), csrf=token
        )

    async def _form_fault(self, request: web.Request, route: Route, principal: Principal) -> ErrorAnswer | None:
        if not request_origin.is_own_page(request.headers, origin_needed=True):
            return _CROSS_SITE
        if request.content_type != _FORM:
            return ErrorAnswer(415, f"Send the form with Content-Type: {_FORM}.")
        try:
            async with asyncio.timeout(_BODY_S):
                token = (await request.post()).get(FORM_FIELD, "")
        except TimeoutError:
            return _REQUEST_TIMEOUT
        # ValueError: the bytes are not text. LookupError: the charset is unknown.
        except (ValueError, LookupError):
            return ErrorAnswer(400, "The form cannot be decoded. Send it as UTF-8.")
        holder = (
            request.cookies.get(LOGIN_COOKIE, "") if route.right == "none" else _token_holder(request, principal)
        )
        return None if holder and self.tokens.is_for(holder, str(token)) else _BAD_FORM_TOKEN

    def _api_fault(self, request: web.Request, principal: Principal) -> ErrorAnswer | None:
        if not request_origin.is_own_page(request.headers, origin_needed=False):
            return _CROSS_SITE
        # A form of another web site cannot have this content type.
        if request.content_type != _JSON:
            return ErrorAnswer(415, f"Send JSON, with Content-Type: {_JSON}.")
        if not principal.has_session:
            return None
        token = request.headers.get(FORM_HEADER, "")
        return None if self.tokens.is_for(session_of(request), token) else _BAD_FORM_TOKEN


def session_of(request: web.Request) -> str:
    """The session id in the cookies; "" without a cookie."""
    return request.cookies.get(_HTTPS_SESSION_COOKIE) or request.cookies.get(_SESSION_COOKIE, "")


def is_gone(request: web.Request) -> bool:
    """Return whether the client has closed its connection."""
    return request.transport is None or request.transport.is_closing()


def keep_session(answer: web.Response, session_id: str, *, https: bool) -> None:
    """Set the session cookie, which the browser keeps until it is closed."""
    name = _HTTPS_SESSION_COOKIE if https else _SESSION_COOKIE
    answer.set_cookie(name, session_id, httponly=True, samesite="Strict", secure=https, path="/")


def drop_session(answer: web.Response, *, https: bool) -> None:
    """Delete the session cookie."""
    name = _HTTPS_SESSION_COOKIE if https else _SESSION_COOKIE
    answer.del_cookie(name, path="/", secure=https, httponly=True, samesite="Strict")


def too_many_tries(wait_s: float) -> ErrorAnswer:
    """The response to a wrong password or token after too many others."""
    seconds = int(wait_s) + 1
    return ErrorAnswer(
        429,
        f"Wrong password or token, after too many failed attempts. Wait {seconds} s before the next attempt.",
        {hdrs.RETRY_AFTER: str(seconds)},
    )


def forbidden(principal: Principal, right: Right) -> ErrorAnswer:
    """The response to a user who lacks a right."""
    settings = {"reveal": "reveal = true", "edit": 'role = "operate" and reveal = true'}
    setting = settings.get(right, 'role = "operate"')
    return ErrorAnswer(
        403, f"{principal.name} is not allowed to do this. Set {setting} in inspector.users.{principal.name}."
    )


def safe_redirect_path(text: str) -> str:
    """The path to redirect to after the login, if it is a path of the inspector; else "/"."""
    is_own = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_own and text.isascii() and text.isprintable() and len(text) <= 1000 else "/"


def redirect(path: str) -> web.Response:
    """A redirect to a page of the inspector, to be read with GET."""
    return web.Response(status=303, headers={hdrs.LOCATION: path})


def _token_holder(request: web.Request, principal: Principal) -> str:
    return session_of(request) if principal.has_session else _LOCAL


def _login_required(request: web.Request) -> Answer:
    if is_api(request):
        return _unauthorized()
    if is_live(request) or request.method != hdrs.METH_GET:
        return ErrorAnswer(401, "Your session has expired. Log in and try again.")
    path = f"/login?next={quote(safe_redirect_path(request.raw_path), safe='')}"
    return ClientRedirect(path) if request.headers.get("Sec-Fetch-Site") == "cross-site" else redirect(path)


def _unauthorized() -> ErrorAnswer:
    return ErrorAnswer(
        401,
        "Authentication required. Send Authorization: Bearer TOKEN with the token of a user in inspector.users.",
        {hdrs.WWW_AUTHENTICATE: 'Bearer realm="hookline"'},
    )


def _peer_address(request: web.Request) -> str | None:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]) if peer else None
