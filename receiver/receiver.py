"""The receiver as a whole: connections, group commit, and what runs beside them.

Lifecycle: start() takes connections; stop() takes no new ones, writes and answers what was read, then
closes. Everything in between is a handler of aiohttp's low-level server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Mapping
from time import monotonic

from aiohttp import web

from broker.redis.client import Client
from broker.redis.clock import report
from broker.redis.errors import BrokerError
from receiver import responses
from receiver.counters import Counters
from receiver.health.endpoints import Pages
from receiver.health.readiness import Process, Readiness, readiness
from receiver.health.rejections import Rejections
from receiver.health.snapshot import SnapshotReader
from receiver.ingress.client_connections import Connections
from receiver.ingress.http_protocol import Protocol
from receiver.ingress.source_verifier import SourceVerifier
from receiver.settings import Settings
from receiver.storage.group_commit import GroupCommit
from receiver.storage.webhook_storage import WebhookStorage
from receiver.webhooks import Webhooks
from runtime.fault_log import Faults
from runtime.task_cancellation import ended

_REPORT_EVERY_S = 1.0
_IDLE_GRACE_S = 0.25
"""At stop, how long idle connections stay open, so that a request already on its way is still answered."""

_POLL_S = 0.02

_logger = logging.getLogger("hookline.receiver")


class Receiver:
    """One process' receiver. Usable without signals, so that tests can hold several."""

    def __init__(
        self, settings: Settings, verifiers: Mapping[str, SourceVerifier], redis: Client, *, process: int = 0
    ) -> None:
        """Raises SpillDirError, KeptHeaderError."""
        self._settings = settings
        self._redis = redis
        self._name = f"{socket.gethostname()}-{os.getpid()}"
        self._refusals = Rejections(redis)
        counters = Counters()
        self._storage = WebhookStorage(settings, redis, counters)
        self._commit = GroupCommit(self._storage.write, counters, timeout_s=settings.flush_timeout_s)
        self._webhooks = Webhooks(
            verifiers,
            self._commit,
            counters,
            self._refusals,
            settings,
            refusal=self._storage.refusal,
            now_ms=redis.clock.now_ms,
        )
        state = SnapshotReader(redis, self._webhooks.kinds, self._refusals.streaks)
        self._pages = Pages(state, counters, self._commit, self._readiness, self._storage, process=process)
        self._connections = Connections(settings.max_connections)
        self._is_stopping = False
        self._logged_fault = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, listener: socket.socket) -> None:
        """Take connections from a listening socket. Redis may be away."""
        with contextlib.suppress(BrokerError):
            await self._storage.look()
        self._log_fault()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(work) for work in (self._commit.run(), self._storage.run(), self._attend())
        ]
        self._server = web.Server(self._handle, loop=loop)
        self._accepting = await loop.create_server(self._connection, sock=listener, backlog=1024)

    def use(self, verifiers: Mapping[str, SourceVerifier]) -> None:
        """Take webhooks for these sources from now on; requests under way are not disturbed."""
        self._webhooks.use(verifiers)

    def _connection(self) -> Protocol:
        return Protocol(
            self._server,
            self._connections,
            self._webhooks.refuse_head,
            self._settings,
            loop=asyncio.get_running_loop(),
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._connections.begin(request.protocol)
        try:
            answer = await self._pages.answer(request) or await self._webhooks.answer(request)
        finally:
            self._connections.end(request.protocol)
        if self._is_stopping or not responses.is_kept_alive(request):
            responses.use_known_version(request)
            return responses.closing(answer)
        return answer

    async def stop(self) -> None:
        """Stop accepting, answer every request that was read, then close; within shutdown_timeout_s."""
        deadline_s = monotonic() + self._settings.shutdown_timeout_s
        self._is_stopping = True
        self._accepting.close()
        await self._answer_the_rest(deadline_s)
        await ended(self._tasks)
        await self._storage.close()
        await self._refusals.report()
        await self._server.shutdown(_POLL_S)

    async def _answer_the_rest(self, deadline_s: float) -> None:
        """An answer written now closes its connection; those that stay idle are closed after a grace."""
        grace_over_s = min(monotonic() + _IDLE_GRACE_S, deadline_s)
        while self._server.connections and monotonic() < deadline_s:
            if monotonic() >= grace_over_s:
                self._close_idle()
            await asyncio.sleep(_POLL_S)
        if self._connections.busy:
            _logger.error(
                "%d requests were not answered within the shutdown time",
                len(self._connections.busy),
                extra={"action": "receiver_cut_off", "count": len(self._connections.busy)},
            )

    def _close_idle(self) -> None:
        for connection in list(self._connections.idle):
            connection.close()

    def _readiness(self) -> Readiness:
        process = Process(self._commit.pending_bytes, self._settings.max_pending_bytes, self._is_stopping)
        return readiness(self._storage, process)

    def _log_fault(self) -> None:
        """Log why Redis takes no webhooks, once for each reason; /readyz shows only what anybody may know."""
        error = self._storage.writer.error
        brief = error.brief if error else ""
        if brief == self._logged_fault:
            return
        self._logged_fault = brief
        if error is None:
            _logger.info("Redis takes webhooks", extra={"action": "receiver_ready"})
            return
        _logger.warning(
            "webhooks are %s for now: %s",
            "spilled to disk" if self._storage.fallback else "answered 503",
            error,
            extra={"action": "receiver_not_ready", "reason": str(error)},
        )

    async def _attend(self) -> None:
        """Once a second: look what kind of server Redis is now, report what was refused."""
        faults = Faults(_logger, "attending failed", action="receiver_attend_failed")
        while True:
            await asyncio.sleep(_REPORT_EVERY_S)
            for attend in (self._refusals.report, self._storage.look, self._report_clock):
                try:
                    await attend()
                except BrokerError:
                    pass  # it stands in /readyz; webhooks are spilled, or answered 503, and counted
                except Exception as error:  # noqa: BLE001 - logged
                    faults.note(error)
            self._log_fault()

    async def _report_clock(self) -> None:
        await report(self._redis, self._name)
