"""The receiver process: listens, serves, and on SIGTERM stops without losing an answer."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Mapping

from msgspec import structs

from broker.redis.client import Client
from receiver.ingress.client_connections import affordable
from receiver.ingress.source_verifier import source_verifiers
from receiver.receiver import Receiver
from receiver.settings import Settings
from sources.settings import Settings as SourceSettings

BACKLOG = 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_logger = logging.getLogger("hookline.receiver")


def listen(settings: Settings) -> socket.socket:
    """A listening socket that all receiver processes can share; `::` takes IPv4 too. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    host, port = str(address[0]), int(address[1])
    both = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)


async def serve(
    settings: Settings,
    sources: Mapping[str, SourceSettings],
    redis: Client,
    listener: socket.socket,
    *,
    process: int = 0,
    updates: AsyncIterator[Mapping[str, SourceSettings]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, answer every request that was read, and return.

    Redis may be away: then webhooks are answered 503 until it is there. `updates` yields all sources anew whenever
    they change. Raises StartError.
    """
    settings = _within_the_file_limit(settings)
    receiver = Receiver(settings, source_verifiers(sources, settings.trusted_proxies), redis, process=process)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in _SIGNALS:
        loop.add_signal_handler(signum, stop.set)
    following = asyncio.create_task(_follow(receiver, settings, updates)) if updates is not None else None
    await receiver.start(listener)
    try:
        _logger.info("receiver listens", extra={"action": "receiver_started", "receiver": process})
        await stop.wait()
        _logger.info("receiver stops", extra={"action": "receiver_stopping", "receiver": process})
    finally:
        if following is not None:
            following.cancel()
        await receiver.stop()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
    _logger.info("receiver stopped", extra={"action": "receiver_stopped", "receiver": process})


def _within_the_file_limit(settings: Settings) -> Settings:
    allowed = affordable(settings.max_connections)
    if allowed < settings.max_connections:
        _logger.warning(
            "takes %d connections, not %d: the limit on open files allows no more; raise it (ulimit -n)",
            allowed,
            settings.max_connections,
            extra={"action": "receiver_few_files", "max_connections": allowed},
        )
    return structs.replace(settings, max_connections=allowed)


async def _follow(
    receiver: Receiver, settings: Settings, updates: AsyncIterator[Mapping[str, SourceSettings]]
) -> None:
    try:
        async for sources in updates:
            receiver.use(source_verifiers(sources, settings.trusted_proxies))
    except Exception:
        _logger.exception("changed sources count from the next start", extra={"action": "receiver_follow_failed"})
