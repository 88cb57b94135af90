"""The endpoints /healthz, /readyz and /metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import hdrs, web

from receiver import responses
from receiver.health.readiness import Readiness
from runtime.metrics.exposition import CONTENT_TYPE
from runtime.metrics.monitor import Monitor

_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class HealthEndpoints:
    """Responds to requests for the health and readiness of one process, and for the metrics of all that share
    its port.
    """

    def __init__(self, monitor: Monitor, readiness: Callable[[], Readiness]) -> None:
        self._monitor = monitor
        self._readiness_now = readiness
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
        return web.Response(body=await self._monitor.metrics(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
