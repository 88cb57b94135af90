"""The receiver process: listens, serves, and stops on SIGTERM after it has answered every request."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from msgspec import structs

from broker.redis.partitions import Partitions
from receiver.ingress.client_connections import affordable
from receiver.ingress.source_verifier import SourceVerifier, source_verifiers
from receiver.receiver import Receiver
from receiver.settings import Settings
from runtime.garbage import collect_rarely
from runtime.metrics.board import Board
from sources.settings import Settings as SourceSettings

if TYPE_CHECKING:
    from runtime.tracing.tracer import Tracer

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger("hookline.receiver")


async def serve(  # noqa: PLR0913 - what a process is started with
    settings: Settings,
    sources: Mapping[str, SourceSettings],
    partitions: Partitions,
    listener: socket.socket,
    *,
    process: int = 0,
    board: Board | None = None,
    tracer: Tracer | None = None,
    updates: AsyncIterator[Mapping[str, SourceSettings]] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, answer every request that was read, and return.

    While all partitions are away, webhooks are answered 503. `board`: of all processes on this port.
    `tracer`: None without traces. `updates` yields all sources whenever they change. Raises StartError.
    """
    collect_rarely()
    settings = _within_the_file_limit(settings)
    receiver = Receiver(
        settings, _verifiers(sources, settings), partitions, process=process, board=board, tracer=tracer
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in _SIGNALS:
        loop.add_signal_handler(signum, stop.set)
    reloading = (
        asyncio.create_task(_reload_on_updates(receiver, settings, updates)) if updates is not None else None
    )
    await receiver.start(listener)
    try:
        log.info("receiver listens", extra={"action": "receiver_started", "receiver": process})
        await stop.wait()
        log.info("receiver stops", extra={"action": "receiver_stopping", "receiver": process})
    finally:
        if reloading is not None:
            reloading.cancel()
        await receiver.stop()
        for signum in _SIGNALS:
            loop.remove_signal_handler(signum)
    log.info("receiver stopped", extra={"action": "receiver_stopped", "receiver": process})


def _verifiers(sources: Mapping[str, SourceSettings], settings: Settings) -> dict[str, SourceVerifier]:
    return source_verifiers(sources, settings.trusted_proxies, public_url=settings.public_url)


def _within_the_file_limit(settings: Settings) -> Settings:
    allowed = affordable(settings.max_connections)
    if allowed < settings.max_connections:
        log.warning(
            "max_connections is %d instead of %d: the limit on open files is too low; raise it (ulimit -n)",
            allowed,
            settings.max_connections,
            extra={"action": "receiver_few_files", "max_connections": allowed},
        )
    return structs.replace(settings, max_connections=allowed)


async def _reload_on_updates(
    receiver: Receiver, settings: Settings, updates: AsyncIterator[Mapping[str, SourceSettings]]
) -> None:
    try:
        async for sources in updates:
            receiver.reload(_verifiers(sources, settings))
    except Exception:
        log.exception("changed sources are used only after a restart", extra={"action": "receiver_follow_failed"})
