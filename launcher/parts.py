"""One receiver process, one worker process: built from the config and run to their end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from broker.connection import Settings as RedisSettings
from broker.connection import connect
from launcher.complaints import tell
from launcher.config import Config
from launcher.errors import ListenError
from launcher.processes import Group, supervise
from receiver.gate import gates
from receiver.server import listen, serve
from worker.main import work

_MARGIN_S = 5.0
"""Seconds between the end of a part's own grace and its being killed."""


def open_listener(config: Config) -> socket.socket:
    """The socket that all receiver processes share. Raises ListenError."""
    settings = config.receiver
    try:
        return listen(settings)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"cannot listen on {settings.host} port {settings.port}: {reason.lower()}: "
            "set HOOKLINE_RECEIVER_PORT or HOOKLINE_RECEIVER_HOST (receiver.port, receiver.host)"
        ) from None


def receivers(config: Config, redis: RedisSettings, listener: socket.socket, *, processes: int) -> Group:
    """Receiver processes on one socket. Raises the receiver's StartError where the config allows no start."""
    gates(config.sources)

    async def run(number: int) -> None:
        client = connect(redis)
        try:
            await serve(config.receiver, config.sources, client, listener, process=number)
        finally:
            await client.aclose()

    settings = config.receiver
    stop_s = settings.shutdown_timeout_s + settings.flush_timeout_s + _MARGIN_S
    return Group(name="receiver", run=_process(run), count=processes, stop_s=stop_s)


def workers(config: Config, redis: RedisSettings, *, processes: int) -> Group:
    """Worker processes."""

    async def run(_: int) -> None:
        await work(config.worker, config.sources, config.rules, config.channels, redis)

    return Group(
        name="worker", run=_process(run), count=processes, stop_s=2 * config.worker.stop_grace_s + _MARGIN_S
    )


def run_group(group: Group) -> int:
    """Run it until it is told to stop: here if one process is enough, else supervised. Returns the exit code."""
    return supervise([group]) if group.count > 1 else group.run(0)


def _process(run: Callable[[int], Coroutine[Any, Any, None]]) -> Callable[[int], int]:
    def process(number: int) -> int:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run(number))
        except Exception as error:
            code = tell(error)
            if code is None:
                raise
            return code
        return 0

    return process
