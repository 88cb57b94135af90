"""The inspector's process: listens, serves, and stops on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator

from broker.redis.client import Client
from inspector.http.app_context import Configured
from inspector.http.auth_middleware import ClientAddress
from inspector.settings import Settings
from inspector.site import STOP_S, Site

__all__ = ["STOP_S", "listen", "serve"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_logger = logging.getLogger("hookline.inspector")


def listen(settings: Settings) -> socket.socket:
    """A listening socket; `::` takes IPv4 too. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    host, port = str(address[0]), int(address[1])
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, dualstack_ipv6=both)


async def serve(
    settings: Settings,
    redis: Client,
    listener: socket.socket,
    configured: Configured,
    *,
    client_address: ClientAddress,
    updates: AsyncIterator[Configured],
) -> None:
    """Serve until SIGTERM or SIGINT. Redis may be away: pages then say so.

    `updates` yields what is configured anew, whenever that changes.
    """
    site = Site(settings, redis, configured, client_address)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in _SIGNALS:
        loop.add_signal_handler(signum, stop.set)
    following = asyncio.create_task(_follow(site, updates))
    await site.start(listener)
    try:
        _logger.info("inspector listens", extra={"action": "inspector_started"})
        await stop.wait()
    finally:
        following.cancel()
        await site.stop()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
    _logger.info("inspector stopped", extra={"action": "inspector_stopped"})


async def _follow(site: Site, updates: AsyncIterator[Configured]) -> None:
    async for configured in updates:
        site.context.configured = configured
