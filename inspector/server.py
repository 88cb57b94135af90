"""The inspector's process: listens, serves, and stops on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator

from broker.redis.partitions import Partitions
from inspector.http.app_context import Configured
from inspector.http.auth_middleware import ClientAddress
from inspector.settings import Settings
from inspector.site import STOP_S, Site

__all__ = ["STOP_S", "serve"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("hookline.inspector")


async def serve(
    settings: Settings,
    partitions: Partitions,
    listener: socket.socket,
    configured: Configured,
    *,
    client_address: ClientAddress,
    updates: AsyncIterator[Configured],
) -> None:
    """Serve until SIGTERM or SIGINT. While Redis is unavailable, pages say so.

    `updates` yields the new config after each change.
    """
    site = Site(settings, partitions, configured, client_address)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in _SIGNALS:
        loop.add_signal_handler(signum, stop.set)
    reloading = asyncio.create_task(_reload_on_updates(site, updates))
    await site.start(listener)
    try:
        log.info("inspector listens", extra={"action": "inspector_started"})
        await stop.wait()
    finally:
        reloading.cancel()
        await site.stop()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
    log.info("inspector stopped", extra={"action": "inspector_stopped"})


async def _reload_on_updates(site: Site, updates: AsyncIterator[Configured]) -> None:
    async for configured in updates:
        site.context.configured = configured
