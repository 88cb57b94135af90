"""One receiver process, one worker process: built from the config and run to their end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import uvloop

from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from inspector import server as inspector_server
from inspector.http.app_context import Configured
from inspector.http.auth_middleware import ClientAddress
from inspector.operations import retention_task
from inspector.privacy.masking import Masking
from inspector.settings import Settings as InspectorSettings
from launcher.composition.dry_runs import dry_run
from launcher.composition.error_reporting import tell
from launcher.composition.namespace_claim import accepted, claim_when_there
from launcher.composition.spill_directories import spilled_here
from launcher.config.channel_checks import channel_faults
from launcher.config.config import Config
from launcher.config.live_config import LiveConfig
from launcher.errors import ConfigError, ListenError
from launcher.supervisor.processes import Group, supervise
from receiver import server as receiver_server
from receiver.ingress.source_verifier import source_verifiers
from receiver.server import serve
from receiver.storage.spill.files import prepare
from runtime.client_address import client_address
from worker.components import Setup, setup_of
from worker.main import work

_MARGIN_S = 5.0
"""Seconds between the end of a part's own grace and its being killed."""


def open_listener(config: Config) -> socket.socket:
    """The socket that all receiver processes share. Raises ListenError."""
    settings = config.receiver
    return _opened(partial(receiver_server.listen, settings), "receiver", settings.host, settings.port)


def open_inspector(config: Config) -> socket.socket:
    """The socket of the inspector's pages. Raises ListenError."""
    settings = config.inspector
    return _opened(partial(inspector_server.listen, settings), "inspector", settings.host, settings.port)


def _opened(listen: Callable[[], socket.socket], section: str, host: str, port: int) -> socket.socket:
    try:
        return listen()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        names = f"HOOKLINE_{section.upper()}_PORT or HOOKLINE_{section.upper()}_HOST"
        raise ListenError(
            f"cannot listen on {host} port {port}: {reason.lower()}: set {names} ({section}.port, {section}.host)"
        ) from None


def receivable(config: Config) -> Config:
    """The same config. Raises the receiver's StartError where it allows no start."""
    source_verifiers(config.sources, config.receiver.trusted_proxies)
    return config


def workable(config: Config) -> Config:
    """The same config. Raises ConfigError where a channel of it cannot be opened here."""
    faults = channel_faults(config.channels)
    if faults:
        raise ConfigError(faults)
    return config


def receivers(live: LiveConfig, redis: RedisSettings, listener: socket.socket, *, processes: int) -> Group:
    """Receiver processes on one socket, which follow what `[sources]` says as it changes. Raises SpillDirError."""
    settings = live.current.receiver
    if settings.spill_dir:
        prepare(Path(settings.spill_dir))

    async def run(number: int) -> None:
        client = connect(redis)
        updates = (config.sources async for config in accepted(redis, live.updates(rotating=True)))
        try:
            async with asyncio.TaskGroup() as group:  # webhooks are answered while Redis is away
                claiming = group.create_task(claim_when_there(redis, live.current))
                await serve(settings, live.current.sources, client, listener, process=number, updates=updates)
                claiming.cancel()
        finally:
            await client.aclose()

    return Group(
        name="receiver",
        run=_process(run),
        count=processes,
        stop_s=settings.shutdown_timeout_s + settings.flush_timeout_s + _MARGIN_S,
        reload=live.reload,
        look=live.rotate,
    )


def workers(live: LiveConfig, redis: RedisSettings, *, processes: int) -> Group:
    """Worker processes, which follow what sources, channels, rules and alerts are as that changes."""
    settings = live.current.worker

    async def run(_: int) -> None:
        await claim_when_there(redis, live.current)
        updates = (_setup(new) async for new in accepted(redis, live.updates()))
        await work(settings, _setup(live.current), redis, updates=updates)

    return Group(
        name="worker",
        run=_process(run),
        count=processes,
        stop_s=2 * settings.stop_grace_s + _MARGIN_S,
        reload=live.reload,
    )


def inspectors(live: LiveConfig, redis: RedisSettings, listener: socket.socket) -> Group:
    """The one process of the inspector's pages, which shows sources and channels as they are as that changes."""
    settings = live.current.inspector

    async def run(_: int) -> None:
        client = connect(redis)
        keeping = asyncio.create_task(retention_task.run(client, lambda: live.current.dead))
        try:
            await inspector_server.serve(
                settings,
                client,
                listener,
                _configured(live.current),
                client_address=_client_address(settings),
                updates=(_configured(config) async for config in live.updates()),
            )
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await client.aclose()

    return Group(
        name="inspector", run=_process(run), stop_s=inspector_server.STOP_S + _MARGIN_S, reload=live.reload
    )


def run_group(group: Group) -> int:
    """Run it until it is told to stop: here if one process is enough, else supervised. Returns the exit code."""
    return supervise([group]) if group.count > 1 else group.run(0)


def _setup(config: Config) -> Setup:
    return setup_of(config.sources, config.rules, config.channels, config.alerts)


def _configured(config: Config) -> Configured:
    settings = config.inspector
    return Configured(
        sources=config.sources,
        channels=tuple(config.channels),
        spilled=partial(spilled_here, config.receiver),
        dry_run=dry_run(config),
        masking=Masking(settings.masked_paths, settings.shown_paths),
    )


def _client_address(settings: InspectorSettings) -> ClientAddress:
    trusted = [ip_network(proxy.strip()) for proxy in settings.trusted_proxies]

    def of(peer: str | None, forwarded_for: Sequence[str], forwarded: Sequence[str]) -> str:
        return str(client_address(peer, forwarded_for, forwarded, trusted) or peer or "")

    return of


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
