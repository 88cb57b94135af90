"""The endpoints /healthz, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import hdrs, web

from receiver import responses
from receiver.counters import Counters
from receiver.health import metrics
from receiver.health.readiness import Readiness
from receiver.health.snapshot import SnapshotReader
from receiver.storage.group_commit import GroupCommit
from receiver.storage.redis_writer import Condition
from receiver.storage.webhook_storage import WebhookStorage

_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class HealthEndpoints:
    """Responds to requests for the health, readiness and metrics of one process."""

    def __init__(
        self,
        snapshots: SnapshotReader,
        counters: Counters,
        commit: GroupCommit,
        readiness: Callable[[], Readiness],
        storage: WebhookStorage,
        *,
        process: int,
    ) -> None:
        self._snapshots = snapshots
        self._counters = counters
        self._commit = commit
        self._readiness_now = readiness
        self._storage = storage
        self._process = process
        self._endpoints = {"/healthz": self._health, "/readyz": self._readiness, "/metrics": self._metrics}

    async def respond(self, request: web.BaseRequest) -> web.Response | None:
        """The response, or None for a request to another path."""
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return None
        if request.method not in _METHODS:
            return responses.error(405, "use GET or HEAD for this path", {hdrs.ALLOW: "GET, HEAD"})
        return await endpoint()

    async def _health(self) -> web.Response:
        return responses.status(200, "alive")

    async def _readiness(self) -> web.Response:
        readiness = self._readiness_now()
        notes = {"notes": readiness.notes} if readiness.notes else {}
        if readiness.reasons:
            return responses.status(503, "not ready", reasons=readiness.reasons, **notes)
        return responses.status(200, "ready", **notes)

    async def _metrics(self) -> web.Response:
        data = metrics.ScrapeData(
            process=self._process,
            counters=self._counters,
            pending_bytes=self._commit.pending_bytes,
            queued_bytes=self._storage.pressure.queued_bytes,
            partitions=self._partitions(),
            spilled=self._storage.fallback.spill.on_disk if self._storage.fallback else None,
            shared=await self._snapshots.read(),
        )
        return web.Response(body=metrics.render(data), headers={hdrs.CONTENT_TYPE: metrics.CONTENT_TYPE})

    def _partitions(self) -> dict[int, bool]:
        writers = self._storage.writers.all
        if len(writers) == 1:
            return {}
        return {writer.redis.partition: writer.condition == Condition.WELL for writer in writers}
