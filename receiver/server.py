"""The receiver process: listens, serves, and on SIGTERM stops without losing an answer."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping

from arq.connections import ArqRedis

from receiver.gate import gates
from receiver.receiver import Receiver
from receiver.settings import Settings
from sources.settings import Settings as SourceSettings

BACKLOG = 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_logger = logging.getLogger("hookline.receiver")


def listen(settings: Settings) -> socket.socket:
    """A listening socket that all receiver processes can share. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server((str(address[0]), int(address[1])), family=family, backlog=BACKLOG)


async def serve(
    settings: Settings,
    sources: Mapping[str, SourceSettings],
    redis: ArqRedis,
    listener: socket.socket,
    *,
    process: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT, answer every request that was read, and return.

    Redis may be away: then webhooks are answered 503 until it is there. Raises StartError.
    """
    receiver = Receiver(settings, gates(sources), redis, process=process)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in _SIGNALS:
        loop.add_signal_handler(signum, stop.set)
    await receiver.start(listener)
    try:
        _logger.info("receiver listens", extra={"action": "receiver_started", "receiver": process})
        await stop.wait()
        _logger.info("receiver stops", extra={"action": "receiver_stopping", "receiver": process})
    finally:
        await receiver.stop()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
    _logger.info("receiver stopped", extra={"action": "receiver_stopped", "receiver": process})
