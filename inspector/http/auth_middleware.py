"""The one place that says who may do what: no handler is reached but through `admit`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from urllib.parse import quote

from aiohttp import hdrs, web

from inspector.http import request_origin
from inspector.http.accounts import Accounts
from inspector.http.failed_logins import Attempts
from inspector.http.form_tokens import Tokens
from inspector.http.login_throttle import LoginThrottle, address_key
from inspector.http.principal import Principal, Right
from inspector.http.routing import Answer, ClientRedirect, ErrorAnswer, Route, is_api, is_live
from inspector.http.sessions import Sessions
from inspector.settings import Settings

ClientAddress = Callable[[str | None, Sequence[str], Sequence[str]], str]
"""(the connection's other end, every X-Forwarded-For, every Forwarded) -> the address that it really came from."""

FORM_FIELD = "csrf"
FORM_HEADER = "X-CSRF-Token"
LOGIN_COOKIE = "hookline_login"
"""What the login form's token belongs to: there is no session yet."""

_SESSION_COOKIE = "hookline_session"
_HTTPS_SESSION_COOKIE = f"__Host-{_SESSION_COOKIE}"
"""By https the name keeps browsers from taking it from anybody else, from other hosts of the domain too."""

_BODY_S = 5.0
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_LOCAL = "local"

NOBODY = Principal(name="", role="read", may_reveal=False, has_session=False, csrf="")
_STALE = ErrorAnswer(
    403,
    "This form was not made for this login, or it is from before the inspector's last restart. Go back, load the "
    "page again, and send it once more.",
)
_STRANGE = ErrorAnswer(403, "This came from a page that is not the inspector's, so it was not done.")
_PACKED = ErrorAnswer(415, "Send the body as it is, without a Content-Encoding.")
_TOO_SLOW = ErrorAnswer(408, "The request took too long to arrive.")


class AuthMiddleware:
    """Knows users, sessions and tokens."""

    def __init__(self, settings: Settings, client_address: ClientAddress) -> None:
        self.accounts = Accounts(settings.users)
        self.sessions = Sessions(settings)
        self.throttle = LoginThrottle()
        self.attempts = Attempts(self.throttle)
        self.tokens = Tokens()
        self._client_address = client_address
        self._proxies = [ip_network(proxy.strip()) for proxy in settings.trusted_proxies]

    def address(self, request: web.Request) -> str:
        """The address of the client, as far as it can be told."""
        forwarded = (request.headers.getall(name, ()) for name in (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED))
        return self._client_address(_peer(request), *(tuple(lines) for lines in forwarded))

    def is_https(self, request: web.Request) -> bool:
        """Whether the browser speaks https, to a proxy: it says so itself, or a trusted proxy does."""
        return request_origin.is_https(request.headers) or (
            request_origin.is_inside(_peer(request), self._proxies)
            and request_origin.is_forwarded_https(request.headers)
        )

    def principal(self, request: web.Request) -> Principal | ErrorAnswer:
        """Who asks: by session, below /api/ by bearer token too; NOBODY where neither is there."""
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
        name = self.sessions.user_of(session_id, is_click=not is_live(request)) if session_id else None
        return self._principal(name, session_id) if name else NOBODY

    async def admit(self, request: web.Request, route: Route) -> Principal | Answer:
        """Who asks, where the route may be gone; else what is answered in its place."""
        principal = self.principal(request)
        if isinstance(principal, ErrorAnswer):
            return principal
        if not principal.may(route.right):
            return _turned_away(request) if principal is NOBODY else lacking(principal, route.right)
        if route.method == hdrs.METH_GET:
            return principal
        if hdrs.CONTENT_ENCODING in request.headers:
            return _PACKED
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
        wait_s = self.attempts.failed("token", (address_key(address),), address=address, user="")
        return too_many_tries(wait_s) if wait_s else _unknown()

    def _principal(self, name: str, session_id: str) -> Principal:
        user = self.accounts.get(name)
        if user is None:
            return NOBODY
        token = self.tokens.token_for(session_id) if session_id else ""
        return Principal(
            name=name, role=user.role, may_reveal=user.reveal, has_session=bool(session_id), csrf=token
        )

    async def _form_fault(self, request: web.Request, route: Route, principal: Principal) -> ErrorAnswer | None:
        if not request_origin.is_own_page(request.headers, origin_needed=True):
            return _STRANGE
        if request.content_type != _FORM:
            return ErrorAnswer(415, f"A form is sent as {_FORM}.")
        try:
            async with asyncio.timeout(_BODY_S):
                given = (await request.post()).get(FORM_FIELD, "")
        except TimeoutError:
            return _TOO_SLOW
        except (ValueError, LookupError):  # bytes that are no text, or in what nobody knows
            return ErrorAnswer(400, "The form cannot be read.")
        holder = request.cookies.get(LOGIN_COOKIE, "") if route.right == "none" else _holder(request, principal)
        return None if holder and self.tokens.is_for(holder, str(given)) else _STALE

    def _api_fault(self, request: web.Request, principal: Principal) -> ErrorAnswer | None:
        if not request_origin.is_own_page(request.headers, origin_needed=False):
            return _STRANGE
        if request.content_type != _JSON:  # a form of another page cannot say so
            return ErrorAnswer(415, f"Send JSON, with Content-Type: {_JSON}.")
        if not principal.has_session:
            return None
        given = request.headers.get(FORM_HEADER, "")
        return None if self.tokens.is_for(session_of(request), given) else _STALE


def session_of(request: web.Request) -> str:
    """The session id that a browser sent, "" for none."""
    return request.cookies.get(_HTTPS_SESSION_COOKIE) or request.cookies.get(_SESSION_COOKIE, "")


def is_gone(request: web.Request) -> bool:
    """Whether the client has closed its connection."""
    return request.transport is None or request.transport.is_closing()


def keep_session(answer: web.Response, session_id: str, *, https: bool) -> None:
    """Have the browser keep it until it is closed."""
    name = _HTTPS_SESSION_COOKIE if https else _SESSION_COOKIE
    answer.set_cookie(name, session_id, httponly=True, samesite="Strict", secure=https, path="/")


def drop_session(answer: web.Response, *, https: bool) -> None:
    """Have the browser forget it."""
    name = _HTTPS_SESSION_COOKIE if https else _SESSION_COOKIE
    answer.del_cookie(name, path="/", secure=https, httponly=True, samesite="Strict")


def too_many_tries(wait_s: float) -> ErrorAnswer:
    """For a wrong password or token after others."""
    seconds = int(wait_s) + 1
    return ErrorAnswer(
        429,
        f"This is wrong, and there were too many wrong tries before it. Wait {seconds} s before the next one.",
        {hdrs.RETRY_AFTER: str(seconds)},
    )


def lacking(principal: Principal, right: Right) -> ErrorAnswer:
    """For somebody who is known, and lacks a right."""
    settings = {"reveal": "reveal = true", "edit": 'role = "operate" and reveal = true'}
    setting = settings.get(right, 'role = "operate"')
    return ErrorAnswer(
        403, f"{principal.name} may not do this: it needs {setting} in inspector.users.{principal.name}."
    )


def own_path(text: str) -> str:
    """The path that somebody is sent to after the login: one of ours, whatever a link said; "/" for any other."""
    is_own = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_own and text.isascii() and text.isprintable() and len(text) <= 1000 else "/"


def redirect(path: str) -> web.Response:
    """On to a page of ours, to be read with GET."""
    return web.Response(status=303, headers={hdrs.LOCATION: path})


def _holder(request: web.Request, principal: Principal) -> str:
    return session_of(request) if principal.has_session else _LOCAL


def _turned_away(request: web.Request) -> Answer:
    if is_api(request):
        return _unknown()
    if is_live(request) or request.method != hdrs.METH_GET:
        return ErrorAnswer(401, "Your login has ended. Log in, and do it again.")
    path = f"/login?next={quote(own_path(request.raw_path), safe='')}"
    return ClientRedirect(path) if request.headers.get("Sec-Fetch-Site") == "cross-site" else redirect(path)


def _unknown() -> ErrorAnswer:
    return ErrorAnswer(
        401,
        "Say who you are: Authorization: Bearer TOKEN, with the token of a user in inspector.users.",
        {hdrs.WWW_AUTHENTICATE: 'Bearer realm="hookline"'},
    )


def _peer(request: web.Request) -> str | None:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]) if peer else None
