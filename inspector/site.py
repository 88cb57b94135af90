"""The inspector's web site as a whole.

Lifecycle: start() takes connections, and carries out actions; stop() takes no new ones, answers what was read,
then closes, and leaves actions to the next process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Sequence
from typing import Any

from aiohttp import hdrs, web

from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector.api.routes import api_routes
from inspector.http import request_origin
from inspector.http.app_context import AppContext, Configured
from inspector.http.auth_middleware import NOBODY, AuthMiddleware, ClientAddress
from inspector.http.http_protocol import Protocol
from inspector.http.principal import Principal
from inspector.http.routing import Answer, ClientRedirect, ErrorAnswer, Route, is_api
from inspector.http.security_headers import make_strict
from inspector.settings import Settings
from inspector.web.actions import actions_routes
from inspector.web.audit import audit_routes
from inspector.web.bulk_form import bulk_routes
from inspector.web.channels import channels_routes
from inspector.web.dead_letter import letter_routes
from inspector.web.dead_letters import letters_routes
from inspector.web.groups import groups_routes
from inspector.web.login import login_routes
from inspector.web.overview import overview_routes
from inspector.web.pages import Pages
from inspector.web.static import Static

MAX_BODY_BYTES = 64 * 1024
_REQUEST_S = 15.0
STOP_S = 5.0
"""Seconds that requests under way get at the end."""

_FOREIGN = ErrorAnswer(
    421,
    "The inspector does not answer to this name. If it should, set inspector.hosts (HOOKLINE_INSPECTOR_HOSTS).",
)
_TEXTS = {
    404: "There is no such page.",
    405: "This address is not asked in this way.",
    413: f"That is too much at once: at most {MAX_BODY_BYTES // 1024} KiB are taken.",
}
_SLOW = ErrorAnswer(503, "This took too long. Try again.", {hdrs.RETRY_AFTER: "5"})
_DEFECT = ErrorAnswer(500, "This is a defect of the inspector; its log tells more.")

log = logging.getLogger("hookline.inspector")


class Site:
    """One process' site. Usable without signals, so that tests can hold several."""

    def __init__(
        self,
        settings: Settings,
        redis: Client,
        configured: Configured,
        client_address: ClientAddress,
        *,
        more: Sequence[Route] = (),
    ) -> None:
        """`more`: routes beside those of the inspector's own pages."""
        self._names = request_origin.known_names(settings.host, settings.hosts)
        self._static = Static()
        self._pages = Pages(self._static)
        self.auth = AuthMiddleware(settings, client_address)
        self.context = AppContext(redis, configured)
        app = web.Application(middlewares=[self._middleware()], client_max_size=MAX_BODY_BYTES)
        for route in (*self._routes(), *more):
            add = app.router.add_get if route.method == hdrs.METH_GET else app.router.add_post
            add(route.path, self._behind_the_door(route))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)

    async def start(self, listener: socket.socket) -> None:
        """Take connections from a listening socket. Redis may be away."""
        await self._runner.setup()
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None
        self._accepting = await loop.create_server(lambda: Protocol(server, loop=loop), sock=listener)
        self._acting = asyncio.create_task(self.context.runner.run())

    async def stop(self) -> None:
        """Stop accepting, answer what was read, then close; within STOP_S, and RELEASE_TIMEOUT_S of the runner."""
        self._accepting.close()
        await self._runner.cleanup()
        self._acting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._acting

    def _routes(self) -> list[Route]:
        return [
            *self._static.routes(),
            *login_routes(self.context, self.auth, self._pages),
            *overview_routes(self.context, self._pages),
            *letters_routes(self.context, self._pages),
            *bulk_routes(self.context, self._pages),
            *letter_routes(self.context, self._pages),
            *groups_routes(self.context, self._pages),
            *actions_routes(self.context, self._pages),
            *audit_routes(self.context, self._pages),
            *channels_routes(self.context, self._pages),
            *api_routes(self.context),
            Route("GET", "/healthz", _health, "none"),
        ]

    def _behind_the_door(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            admitted = await self.auth.admit(request, route)
            if not isinstance(admitted, Principal):
                return self._made(request, admitted)
            return self._made(request, await route.handler(request, admitted))

        return handle

    def _middleware(self) -> Any:
        @web.middleware
        async def every_request(request: web.Request, handler: Any) -> web.StreamResponse:
            if request_origin.is_known(request.headers.getall(hdrs.HOST, ()), self._names):
                answer = self._made(request, await self._answer(request, handler))
            else:
                answer = self._made(request, _FOREIGN)
            make_strict(answer.headers)
            return answer

        return every_request

    async def _answer(self, request: web.Request, handler: Any) -> Answer:
        try:
            async with asyncio.timeout(_REQUEST_S):
                found: web.StreamResponse = await handler(request)
                return found
        except web.HTTPException as error:
            allowed = {str(hdrs.ALLOW): error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
            return ErrorAnswer(error.status, _TEXTS.get(error.status, error.reason), allowed)
        except BrokerError as error:
            return ErrorAnswer(
                503, f"{error}. The inspector shows all again once it is there.", {hdrs.RETRY_AFTER: "5"}
            )
        except TimeoutError:
            return _SLOW
        except Exception:
            log.exception("a request met a defect", extra={"action": "inspector_request_failed"})
            return _DEFECT

    def _made(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if isinstance(answer, ClientRedirect):
            return self._pages.show(request, None, "onward.html", to=answer.path)
        if not isinstance(answer, ErrorAnswer):
            return answer
        asks = NOBODY if answer is _FOREIGN or is_api(request) else self.auth.principal(request)
        principal = asks if isinstance(asks, Principal) and asks.name else None
        return self._pages.refuse(request, principal, answer)


async def _health(_: web.Request, __: Principal) -> Answer:
    return web.json_response({"status": "alive"})
