"""The inspector's web site as a whole.

Lifecycle: start() accepts connections and runs bulk actions. stop() accepts no new connections, answers requests
that were read, then closes. Another process continues the bulk actions.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import Sequence
from typing import Any

from aiohttp import hdrs, web

from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from inspector.api.routes import api_routes
from inspector.http import request_origin
from inspector.http.app_context import AppContext, Configured
from inspector.http.auth_middleware import ANONYMOUS, AuthMiddleware, ClientAddress
from inspector.http.http_protocol import Protocol
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ClientRedirect, ErrorAnswer, Route, is_api
from inspector.http.security_headers import make_strict
from inspector.operations.login_audit import record_login
from inspector.settings import Settings
from inspector.web.actions import actions_routes
from inspector.web.audit import audit_routes
from inspector.web.bulk_form import bulk_routes
from inspector.web.channels import channels_routes
from inspector.web.dead_letter import letter_routes
from inspector.web.dead_letters import letters_routes
from inspector.web.events import events_routes
from inspector.web.groups.group import group_routes
from inspector.web.groups.group_list import groups_routes
from inspector.web.overview import overview_routes
from inspector.web.pages import Pages
from inspector.web.sign_in.login import login_routes
from inspector.web.sign_in.login_page import LoginPage
from inspector.web.static import Static
from inspector.web.waiting.changes import waiting_change_routes
from inspector.web.waiting.listing import waiting_routes

MAX_BODY_BYTES = 64 * 1024
_REQUEST_S = 15.0
STOP_S = 5.0
"""Seconds that pending requests have when the inspector stops."""

_UNKNOWN_HOST = ErrorAnswer(
    421,
    "This host name is not allowed. To allow it, add it to inspector.hosts (HOOKLINE_INSPECTOR_HOSTS).",
)
_ERROR_TEXTS = {
    404: "There is no such page.",
    405: "This address does not support this HTTP method.",
    413: f"The request is too large. The limit is {MAX_BODY_BYTES // 1024} KiB.",
}
_TIMED_OUT = ErrorAnswer(503, "The request took too long. Try again.", {hdrs.RETRY_AFTER: "5"})
_INTERNAL_ERROR = ErrorAnswer(500, "Internal error of the inspector. See its log for details.")

log = logging.getLogger("hookline.inspector")


@functools.cache
def _files_and_pages() -> tuple[Static, Pages]:
    """The static files and the templates, which all sites of a process share: compiling a template takes long."""
    static = Static()
    return static, Pages(static)


class Site:
    """The web site of one process. It handles no signals, so that a test can run several."""

    def __init__(
        self,
        settings: Settings,
        partitions: Partitions,
        configured: Configured,
        client_address: ClientAddress,
        *,
        extra_routes: Sequence[Route] = (),
    ) -> None:
        """`extra_routes`: routes besides those of the inspector's own pages."""
        self._names = request_origin.known_names(settings.host, settings.hosts)
        self._static, self._pages = _files_and_pages()
        self.auth = AuthMiddleware(settings, client_address)
        self.context = AppContext(partitions, configured)
        app = web.Application(middlewares=[self._middleware()], client_max_size=MAX_BODY_BYTES)
        for route in (*self._login_routes(settings), *self._routes(), *extra_routes):
            add = app.router.add_get if route.method == hdrs.METH_GET else app.router.add_post
            add(route.path, self._authorized(route))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on a listening socket. Redis may be unavailable."""
        await self._runner.setup()
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None
        self._server = await loop.create_server(lambda: Protocol(server, loop=loop), sock=listener)
        self._runner_task = asyncio.create_task(self.context.runner.run())

    async def stop(self) -> None:
        """Stop accepting, answer what was read, then close; within STOP_S, and RELEASE_TIMEOUT_S of the runner."""
        self._server.close()
        await self._runner.cleanup()
        self._runner_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._runner_task

    def _login_routes(self, settings: Settings) -> list[Route]:
        if settings.oidc is None:
            return login_routes(self.context, self.auth, LoginPage(self.auth, self._pages, None))
        # These need the extra `oidc`.
        from inspector.sign_in.oidc.sign_in import OidcSignIn  # noqa: PLC0415
        from inspector.web.sign_in.oidc import oidc_routes  # noqa: PLC0415

        oidc = OidcSignIn(settings.oidc, reserved=settings.users)
        page = LoginPage(self.auth, self._pages, oidc)
        return [
            *login_routes(self.context, self.auth, page),
            *oidc_routes(self.context, self.auth, self._pages, page, oidc),
        ]

    def _routes(self) -> list[Route]:
        return [
            *self._static.routes(),
            *overview_routes(self.context, self._pages),
            *events_routes(self.context, self._pages),
            *waiting_routes(self.context, self._pages),
            *waiting_change_routes(self.context, self._pages),
            *letters_routes(self.context, self._pages),
            *bulk_routes(self.context, self._pages),
            *letter_routes(self.context, self._pages),
            *groups_routes(self.context, self._pages),
            *group_routes(self.context, self._pages),
            *actions_routes(self.context, self._pages),
            *audit_routes(self.context, self._pages),
            *channels_routes(self.context, self._pages),
            *api_routes(self.context),
            Route("GET", "/healthz", _health, "none"),
        ]

    def _authorized(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            admitted = await self.auth.admit(request, route)
            if not isinstance(admitted, Principal):
                return self._to_response(request, admitted)
            if visitor := self.auth.new_visitor(request, admitted):
                await record_login(self.context.partitions.control, visitor, self.auth.address(request))
            return self._to_response(request, await route.handler(request, admitted))

        return handle

    def _middleware(self) -> Any:
        @web.middleware
        async def every_request(request: web.Request, handler: Any) -> web.StreamResponse:
            if request_origin.is_known(request.headers.getall(hdrs.HOST, ()), self._names):
                answer = self._to_response(request, await self._answer(request, handler))
            else:
                answer = self._to_response(request, _UNKNOWN_HOST)
            make_strict(answer.headers)
            return answer

        return every_request

    async def _answer(self, request: web.Request, handler: Any) -> Answer:
        try:
            async with asyncio.timeout(_REQUEST_S):
                response: web.StreamResponse = await handler(request)
                return response
        except web.HTTPException as error:
            allowed = {str(hdrs.ALLOW): error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
            return ErrorAnswer(error.status, _ERROR_TEXTS.get(error.status, error.reason), allowed)
        except BrokerError as error:
            return ErrorAnswer(
                503,
                f"{str(error).rstrip('.')}. The inspector recovers by itself when Redis is back.",
                {hdrs.RETRY_AFTER: "5"},
            )
        except TimeoutError:
            return _TIMED_OUT
        except Exception:
            log.exception(
                "a request failed with an unexpected error", extra={"action": "inspector_request_failed"}
            )
            return _INTERNAL_ERROR

    def _to_response(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if isinstance(answer, ClientRedirect):
            return self._pages.show(request, None, "onward.html", to=answer.path)
        if not isinstance(answer, ErrorAnswer):
            return answer
        is_anonymous = answer is _UNKNOWN_HOST or is_api(request)
        principal = ANONYMOUS if is_anonymous else self.auth.principal(request)
        user = principal if isinstance(principal, Principal) and principal.name else None
        return self._pages.refuse(request, user, answer)


async def _health(_: web.Request, __: Principal) -> Answer:
    return web.json_response({"status": "alive"})
