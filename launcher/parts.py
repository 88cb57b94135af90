"""One receiver process, one worker process: built from the config and run to their end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from broker.connection import Settings as RedisSettings
from broker.connection import connect
from launcher.complaints import tell
from launcher.config import Config
from launcher.errors import ListenError
from launcher.hangup import on_hangup
from launcher.live_sources import LiveSources
from launcher.processes import Group, supervise
from receiver.gate import gates
from receiver.server import listen, serve
from sources.settings import Settings as SourceSettings
from worker.main import work

logger = logging.getLogger("hookline.config")

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


def receivers(
    config: Config,
    redis: RedisSettings,
    listener: socket.socket,
    *,
    processes: int,
    read: Callable[[], Config],
) -> Group:
    """Receiver processes on one socket, which follow what `[sources]` says as it changes.

    `read`: the config as it is now. Raises the receiver's StartError where the config allows no start.
    """

    def checked(config: Config) -> dict[str, SourceSettings]:
        gates(config.sources, config.receiver.trusted_proxies)
        return config.sources

    live = LiveSources(checked(config), lambda: checked(read()))

    async def run(number: int) -> None:
        client = connect(redis)
        try:
            await serve(config.receiver, live.current, client, listener, process=number, updates=live.updates())
        finally:
            await client.aclose()

    settings = config.receiver
    return Group(
        name="receiver",
        run=_process(run),
        count=processes,
        stop_s=settings.shutdown_timeout_s + settings.flush_timeout_s + _MARGIN_S,
        reload=live.reload,
        look=live.rotate,
    )


def workers(config: Config, redis: RedisSettings, *, processes: int) -> Group:
    """Worker processes."""

    async def run(_: int) -> None:
        on_hangup(_keep_config)
        await work(config.worker, config.sources, config.rules, config.channels, redis, alerts=config.alerts)

    return Group(
        name="worker", run=_process(run), count=processes, stop_s=2 * config.worker.stop_grace_s + _MARGIN_S
    )


def run_group(group: Group) -> int:
    """Run it until it is told to stop: here if one process is enough, else supervised. Returns the exit code."""
    return supervise([group]) if group.count > 1 else group.run(0)


def _keep_config() -> None:
    logger.warning("this worker keeps its config until it is restarted", extra={"action": "worker_keeps_config"})


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
