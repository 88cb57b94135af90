"""The inspector's process: listens, serves, and stops on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator
from functools import partial

from broker.redis.clock import ask_ms
from broker.redis.errors import BrokerError
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
from inspector import fleet_metrics
from inspector.http.app_context import Configured
from inspector.http.auth_middleware import ClientAddress
from inspector.settings import Settings
from inspector.site import STOP_S, Site
from runtime.metrics import port as metrics_port
from runtime.metrics.monitor import Monitor

__all__ = ["STOP_S", "serve"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_ANSWERS_WITHIN_S = 3.0
"""Seconds that Redis may take to answer for /readyz."""

log = logging.getLogger("hookline.inspector")


async def serve(
    settings: Settings,
    partitions: Partitions,
    listener: socket.socket,
    configured: Configured,
    *,
    client_address: ClientAddress,
    updates: AsyncIterator[Configured],
    metrics_listener: socket.socket | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. While Redis is unavailable, pages say so.

    `updates` yields the new config after each change. `metrics_listener`: where to serve health and metrics; None
    for nowhere.
    """
    site = Site(settings, partitions, configured, client_address)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in _SIGNALS:
        loop.add_signal_handler(signum, stop.set)
    reloading = asyncio.create_task(_reload_on_updates(site, updates))
    await site.start(listener)
    monitor = Monitor(
        "inspector",
        fleet_metrics.METRICS,
        samples=dict,
        reasons=partial(_reasons, partitions, stop),
        shared=fleet_metrics.reader(partitions, lambda: site.context.configured),
    )
    try:
        async with metrics_port.serving(metrics_listener, monitor):
            log.info("inspector listens", extra={"action": "inspector_started"})
            await stop.wait()
    finally:
        reloading.cancel()
        await site.stop()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
    log.info("inspector stopped", extra={"action": "inspector_stopped"})


async def _reasons(partitions: Partitions, stop: asyncio.Event) -> list[str]:
    """Return why the inspector is not ready: it stops, or no partition answers."""
    if stop.is_set():
        return ["the inspector is shutting down"]
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            await ask_all(partitions, ask_ms)
    except BrokerError as error:
        return [error.brief]
    except TimeoutError:
        return ["Redis did not answer in time"]
    return []


async def _reload_on_updates(site: Site, updates: AsyncIterator[Configured]) -> None:
    async for configured in updates:
        site.context.configured = configured
