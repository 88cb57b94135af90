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
from inspector.http.form_tokens import Tokens, equal_in_constant_time
from inspector.http.login_throttle import LoginThrottle, address_key
from inspector.http.principal import Principal, Right
from inspector.http.routing import Answer, ClientRedirect, ErrorAnswer, Route, is_api, is_live
from inspector.http.sessions import Sessions
from inspector.settings import Settings
from inspector.sign_in.identity import Identity, SignInRefused
from inspector.sign_in.proxy_header import ProxyHeader
from inspector.sign_in.refusal_log import RefusalLog
from inspector.sign_in.visits import Visits

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

_SECTIONS = {"proxy": "inspector.proxy_login", "oidc": "inspector.oidc"}
"""Tables of the config with the rights of users who have no password."""

_BODY_S = 5.0
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_LOCAL = "local"
_BY_PROXY = "proxy:"
"""Prefix of the holder of the form tokens of a user whom the proxy signs in. No session id begins like this."""

ANONYMOUS = Principal(name="", role="read", may_reveal=False, how=None, csrf="")
_BAD_FORM_TOKEN = ErrorAnswer(
    403,
    "This form belongs to another login, or the inspector was restarted. Go back, reload the page, and send "
    "the form again.",
)
_CROSS_SITE = ErrorAnswer(403, "This request came from another web site, so it was rejected.")
_ENCODED_BODY = ErrorAnswer(415, "Send the body uncompressed, without a Content-Encoding header.")
_REQUEST_TIMEOUT = ErrorAnswer(408, "The request took too long to arrive.")


class AuthMiddleware:
    """Identifies the user of a request by session, token or header of a proxy; checks rights and form tokens."""

    def __init__(self, settings: Settings, client_address: ClientAddress) -> None:
        self.accounts = Accounts(settings.users)
        self.sessions = Sessions(settings)
        self.throttle = LoginThrottle()
        self.failed_logins = FailedLogins(self.throttle)
        self.tokens = Tokens()
        self.refusals = RefusalLog()
        self.has_proxy_login = settings.proxy_login is not None
        self._needs_login = settings.needs_login
        self._visits = Visits(settings.session_idle_s)
        self._proxy_header = (
            ProxyHeader(settings.proxy_login, reserved=settings.users) if settings.proxy_login else None
        )
        self._client_address = client_address
        self._proxies = [ip_network(proxy.strip()) for proxy in settings.trusted_proxies]

    def address(self, request: web.Request) -> str:
        """The address of the client. Proxies count only if they are in `trusted_proxies`."""
        forwarded = (request.headers.getall(name, ()) for name in (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED))
        return self._client_address(_peer_address(request), *(tuple(lines) for lines in forwarded))

    def is_https(self, request: web.Request) -> bool:
        """Return whether the browser uses https to a proxy, by its Origin header or a trusted proxy's headers."""
        return request_origin.is_https(request.headers) or (
            self._is_from_proxy(request) and request_origin.is_forwarded_https(request.headers)
        )

    def new_visitor(self, request: web.Request, principal: Principal) -> Identity | None:
        """The user, if this request begins a visit of one whom the proxy signs in, which is to be recorded."""
        if principal.how != "proxy" or is_live(request) or not self._visits.is_new(principal.name):
            return None
        return Identity(name=principal.name, role=principal.role, may_reveal=principal.may_reveal, how="proxy")

    def principal(self, request: web.Request) -> Principal | ErrorAnswer | SignInRefused:
        """The user by session, by bearer token below /api/, or by the header of a proxy; else ANONYMOUS."""
        if not self._needs_login:
            return Principal(
                name=_LOCAL, role="operate", may_reveal=True, how="local", csrf=self.tokens.token_for(_LOCAL)
            )
        if is_api(request) and hdrs.AUTHORIZATION in request.headers:
            return self._by_token(request)
        session_id = session_of(request)
        identity = self.sessions.user_of(session_id, is_user_action=not is_live(request)) if session_id else None
        if identity is not None:
            return _principal(identity, self.tokens.token_for(session_id))
        return self._by_proxy(request)

    async def admit(self, request: web.Request, route: Route) -> Principal | Answer:
        """The user, if they may use the route; else the response to send instead."""
        principal = self.principal(request)
        if isinstance(principal, ErrorAnswer):
            return principal
        if isinstance(principal, SignInRefused):
            # A user whom the proxy may not sign in can still log in with a password.
            if route.right != "none":
                self.refusals.refused("proxy_login", principal.reason, self.address(request))
                return ErrorAnswer(principal.status, principal.text)
            principal = ANONYMOUS
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
        identity = self.accounts.by_token(token.strip()) if scheme.lower() == "bearer" else None
        if identity is not None:
            return _principal(identity, "")
        address = self.address(request)
        wait_s = self.failed_logins.failed("token", (address_key(address),), address=address, user="")
        return too_many_tries(wait_s) if wait_s else _unauthorized()

    def _by_proxy(self, request: web.Request) -> Principal | SignInRefused:
        if self._proxy_header is None:
            return ANONYMOUS
        identity = self._proxy_header.identify(request.headers, is_from_proxy=self._is_from_proxy(request))
        if identity is None or isinstance(identity, SignInRefused):
            return identity or ANONYMOUS
        return _principal(identity, self.tokens.token_for(f"{_BY_PROXY}{identity.name}"))

    def _is_from_proxy(self, request: web.Request) -> bool:
        return request_origin.is_inside(_peer_address(request), self._proxies)

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
        if route.right == "none":
            holder = request.cookies.get(LOGIN_COOKIE, "")
            return None if holder and self.tokens.is_for(holder, str(token)) else _BAD_FORM_TOKEN
        return None if _is_token_of(principal, str(token)) else _BAD_FORM_TOKEN

    def _api_fault(self, request: web.Request, principal: Principal) -> ErrorAnswer | None:
        if not request_origin.is_own_page(request.headers, origin_needed=False):
            return _CROSS_SITE
        # A form of another web site cannot have this content type.
        if request.content_type != _JSON:
            return ErrorAnswer(415, f"Send JSON, with Content-Type: {_JSON}.")
        if principal.how in ("token", "local"):
            return None
        return None if _is_token_of(principal, request.headers.get(FORM_HEADER, "")) else _BAD_FORM_TOKEN


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
    if principal.how in _SECTIONS:
        groups = {"reveal": "reveal_groups", "edit": "operate_groups, and one to reveal_groups,"}
        cure = (
            f"Add a group of this user to {groups.get(right, 'operate_groups')} in [{_SECTIONS[principal.how]}]."
        )
    else:
        settings = {"reveal": "reveal = true", "edit": 'role = "operate" and reveal = true'}
        setting = settings.get(right, 'role = "operate"')
        cure = f"Set {setting} in inspector.users.{principal.name}."
    return ErrorAnswer(403, f"{principal.name} is not allowed to do this. {cure}")


def safe_redirect_path(text: str) -> str:
    """The path to redirect to after the login, if it is a path of the inspector; else "/"."""
    is_own = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_own and text.isascii() and text.isprintable() and len(text) <= 1000 else "/"


def redirect(path: str) -> web.Response:
    """A redirect to a page of the inspector, to be read with GET."""
    return web.Response(status=303, headers={hdrs.LOCATION: path})


def _principal(identity: Identity, csrf: str) -> Principal:
    return Principal(
        name=identity.name, role=identity.role, may_reveal=identity.may_reveal, how=identity.how, csrf=csrf
    )


def _is_token_of(principal: Principal, token: str) -> bool:
    return bool(principal.csrf) and equal_in_constant_time(token, principal.csrf)


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
