"""What the receiver tells about itself: /healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import hdrs, web

from receiver import responses
from receiver.counters import Counters
from receiver.health import metrics
from receiver.health.readiness import Readiness
from receiver.health.snapshot import SnapshotReader
from receiver.storage.group_commit import GroupCommit
from receiver.storage.webhook_storage import WebhookStorage

_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class Pages:
    """Faces over the state of one process."""

    def __init__(
        self,
        state: SnapshotReader,
        counters: Counters,
        commit: GroupCommit,
        readiness: Callable[[], Readiness],
        storage: WebhookStorage,
        *,
        process: int,
    ) -> None:
        self._state = state
        self._counters = counters
        self._commit = commit
        self._readiness_now = readiness
        self._storage = storage
        self._process = process
        self._pages = {"/healthz": self._health, "/readyz": self._readiness, "/metrics": self._metrics}

    async def answer(self, request: web.BaseRequest) -> web.Response | None:
        """The page, or None where this is no page's path."""
        page = self._pages.get(request.path)
        if page is None:
            return None
        if request.method not in _METHODS:
            return responses.error(405, "this page is read with GET", {hdrs.ALLOW: "GET, HEAD"})
        return await page()

    async def _health(self) -> web.Response:
        return responses.status(200, "alive")

    async def _readiness(self) -> web.Response:
        now = self._readiness_now()
        notes = {"notes": now.notes} if now.notes else {}
        if now.reasons:
            return responses.status(503, "not ready", reasons=now.reasons, **notes)
        return responses.status(200, "ready", **notes)

    async def _metrics(self) -> web.Response:
        data = metrics.ScrapeData(
            process=self._process,
            counters=self._counters,
            pending_bytes=self._commit.pending_bytes,
            queued_bytes=self._storage.pressure.queued_bytes,
            spilled=self._storage.fallback.spill.seen if self._storage.fallback else None,
            shared=await self._state.look(),
        )
        return web.Response(body=metrics.render(data), headers={hdrs.CONTENT_TYPE: metrics.CONTENT_TYPE})
