"""The whole receiver: connections, group commit, and the tasks beside them.

Lifecycle: start() accepts connections; stop() accepts no new ones, writes and answers the requests that were read,
and closes. In between, a handler of aiohttp's low-level server does everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING

from aiohttp import web

from broker.redis.clock import report
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from receiver import responses
from receiver.counters import Counters
from receiver.health.endpoints import HealthEndpoints
from receiver.health.metrics import METRICS, samples_of, shared_samples
from receiver.health.readiness import Process, Readiness, readiness
from receiver.health.rejections import Rejections
from receiver.health.storage_log import StorageLog
from receiver.ingress.client_connections import Connections
from receiver.ingress.http_protocol import Protocol
from receiver.ingress.source_verifier import SourceVerifier
from receiver.settings import Settings
from receiver.storage.group_commit import GroupCommit
from receiver.storage.redis_writer import Condition
from receiver.storage.webhook_storage import WebhookStorage
from receiver.webhooks import Webhooks
from runtime.fault_log import Faults
from runtime.metrics.board import Board
from runtime.metrics.declaration import Samples
from runtime.metrics.monitor import Monitor
from runtime.process_identity import new_process_name
from runtime.task_cancellation import cancel_and_wait

if TYPE_CHECKING:
    from runtime.tracing.tracer import Tracer

BACKLOG = 1024
"""Connections that the kernel keeps until a receiver process accepts them."""

_OVERLAPPING_WRITES = 2
"""Batches that one partition may get at the same time: while Redis syncs one to its disk, it receives the next."""

_CHECK_EVERY_S = 1.0
_IDLE_GRACE_S = 0.25
"""Seconds that idle connections stay open at a stop, so that requests on their way are still answered."""

_POLL_S = 0.02

log = logging.getLogger("hookline.receiver")


class Receiver:
    """The receiver of one process. It uses no signals, so that tests can run several."""

    def __init__(
        self,
        settings: Settings,
        verifiers: Mapping[str, SourceVerifier],
        partitions: Partitions,
        *,
        process: int = 0,
        board: Board | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """Build the components. `board`: of all processes that share the port; `tracer`: None without traces.

        Raises SpillDirError, KeptHeaderError.
        """
        self._settings = settings
        self._control = partitions.control
        self._name = new_process_name()
        self._counters = counters = Counters()
        self._storage = WebhookStorage(settings, partitions, counters)
        self._storage_log = StorageLog(self._storage)
        writers = self._storage.writers
        self._rejections = Rejections(writers.of_control)
        self._commit = GroupCommit(
            self._storage.write,
            counters,
            timeout_s=settings.flush_timeout_s,
            max_writes=max(_OVERLAPPING_WRITES, writers.max_writes),
            slow_after_s=writers.slow_after_s,
        )
        self._webhooks = Webhooks(
            verifiers,
            self._commit,
            counters,
            self._rejections,
            settings,
            rejection_reason=self._storage.rejection_reason,
            now_ms=self._control.clock.now_ms,
        )
        if tracer is not None:
            from receiver.traces import ReceiveTraces  # noqa: PLC0415 - needs the extra otel

            self._webhooks.traces = ReceiveTraces(tracer)
        self._monitor = Monitor(
            "receiver",
            METRICS,
            samples=self._samples,
            reasons=self._reasons,
            shared=self._shared_samples,
            board=board,
            process=process,
        )
        self._endpoints = HealthEndpoints(self._monitor, self._readiness)
        self._connections = Connections(settings.max_connections)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on a listening socket. Redis may be away."""
        with contextlib.suppress(BrokerError):
            await self._storage.refresh()
        self._storage_log.log_changes()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(work)
            for work in (
                self._storage.run(),
                self._run_every_second(),
                self._monitor.run(),
            )
        ]
        self._server = web.Server(self._handle, loop=loop)
        self._accepting = await loop.create_server(self._connection, sock=listener, backlog=BACKLOG)

    def reload(self, verifiers: Mapping[str, SourceVerifier]) -> None:
        """Accept webhooks for these sources from now on. Requests under way are not affected."""
        self._webhooks.reload(verifiers)

    def _connection(self) -> Protocol:
        return Protocol(
            self._server,
            self._connections,
            self._webhooks.reject_head,
            self._webhooks.take,
            self._settings,
            loop=asyncio.get_running_loop(),
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._connections.begin(request.protocol)
        try:
            response = await self._endpoints.respond(request) or await self._webhooks.respond(request)
        finally:
            self._connections.end(request.protocol)
        if self._connections.is_stopping or not responses.is_kept_alive(request):
            responses.use_known_version(request)
            return responses.closing(response)
        return response

    async def stop(self) -> None:
        """Stop accepting, answer every request that was read, then close; within shutdown_timeout_s."""
        deadline_s = monotonic() + self._settings.shutdown_timeout_s
        self._connections.is_stopping = True
        self._accepting.close()
        await self._finish_requests(deadline_s)
        self._commit.close()
        await cancel_and_wait(self._tasks)
        await self._storage.close()
        await self._rejections.report()
        await self._server.shutdown(_POLL_S)

    async def _finish_requests(self, deadline_s: float) -> None:
        """Wait for open requests. A response closes its connection; idle ones are closed after a grace period."""
        grace_over_s = min(monotonic() + _IDLE_GRACE_S, deadline_s)
        while self._server.connections and monotonic() < deadline_s:
            if monotonic() >= grace_over_s:
                self._close_idle()
            await asyncio.sleep(_POLL_S)
        if self._connections.busy:
            log.error(
                "%d requests were not answered within the shutdown time",
                len(self._connections.busy),
                extra={"action": "receiver_cut_off", "count": len(self._connections.busy)},
            )

    def _close_idle(self) -> None:
        for connection in list(self._connections.idle):
            connection.close()

    def _readiness(self) -> Readiness:
        limit_bytes, is_stopping = self._settings.max_pending_bytes, self._connections.is_stopping
        return readiness(self._storage, Process(self._commit.pending_bytes, limit_bytes, is_stopping))

    async def _reasons(self) -> list[str]:
        return self._readiness().reasons

    def _samples(self) -> Samples:
        writers, now_ms = self._storage.writers, self._control.clock.now_ms()
        facts = self._rejections.error_streaks.facts(self._webhooks.kinds())
        well = {writer.redis.partition: writer.condition == Condition.WELL for writer in writers.all}
        return samples_of(
            self._counters,
            pending_bytes=self._commit.pending_bytes,
            is_redis_up=writers.error is None,
            partitions=well if len(well) > 1 else {},
            failing_s=[
                (source, max(0, now_ms - since) / 1000 if (since := fact.failing_since_ms) else 0.0)
                for source, fact in facts.items()
            ],
        )

    async def _shared_samples(self) -> Samples:
        fallback = self._storage.fallback
        spilled = fallback.spill.on_disk if fallback else None
        return shared_samples(self._storage.pressure.queued_bytes, spilled, self._control.clock.now_ms())

    async def _run_every_second(self) -> None:
        """Once a second: report rejections, check Redis and the disk, and report a clock that is off."""
        faults = Faults(log, "the once-a-second checks failed", action="receiver_attend_failed")
        while True:  # not `repeat`: each of these is due once a second, and the storage log shows the outage
            await asyncio.sleep(_CHECK_EVERY_S)
            for check in (self._rejections.report, self._storage.refresh, self._report_clock):
                try:
                    await check()
                except BrokerError:
                    pass  # /readyz shows it; webhooks are spilled, or answered 503, and counted
                except Exception as error:  # noqa: BLE001 - logged
                    faults.note(error)
            self._storage_log.log_changes()

    async def _report_clock(self) -> None:
        if self._storage.writers.of_control() is self._control:  # nothing waits for it while it is away
            await report(self._control, self._name)
