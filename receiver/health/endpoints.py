"""What the receiver tells about itself: /healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import hdrs, web

from receiver import responses
from receiver.counters import Counters
from receiver.health import metrics
from receiver.health.readiness import Readiness
from receiver.health.snapshot import State
from receiver.storage.group_commit import GroupCommit
from receiver.storage.webhook_storage import WebhookStorage

_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class Pages:
    """Faces over the state of one process."""

    def __init__(
        self,
        state: State,
        counters: Counters,
        commit: GroupCommit,
        readiness: Callable[[], Readiness],
        keeper: WebhookStorage,
        *,
        process: int,
    ) -> None:
        self._state = state
        self._counters = counters
        self._commit = commit
        self._readiness_now = readiness
        self._keeper = keeper
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
        snapshot = metrics.Snapshot(
            process=self._process,
            counters=self._counters,
            pending_bytes=self._commit.pending_bytes,
            queued_bytes=self._keeper.pressure.queued_bytes,
            spilled=self._keeper.detour.spill.seen if self._keeper.detour else None,
            state=await self._state.look(),
        )
        return web.Response(body=metrics.render(snapshot), headers={hdrs.CONTENT_TYPE: metrics.CONTENT_TYPE})
