"""Builds the processes of receiver, worker and inspector from the config, and runs them."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import uvloop

from broker.redis.confirmation import Durability
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import Partitions, connect_all
from broker.redis.server.facts import NO_PERSISTENCE
from inspector import server as inspector_server
from inspector.http.app_context import Configured
from inspector.http.auth_middleware import ClientAddress
from inspector.operations import retention_task
from inspector.privacy.masking import Masking
from inspector.settings import Settings as InspectorSettings
from launcher.composition.dry_runs import dry_run
from launcher.composition.error_reporting import report_error
from launcher.composition.layout import watch_layout, while_layout_fits
from launcher.composition.namespace_claim import claim_when_there, recorded_updates
from launcher.composition.spill_directories import spilled_here
from launcher.composition.traces import tracer_for
from launcher.config.channel_checks import channel_faults
from launcher.config.config import Config
from launcher.config.reloadable_config import ReloadableConfig
from launcher.errors import ConfigError, ListenError
from launcher.supervisor.processes import Group, supervise
from receiver.ingress.source_verifier import source_verifiers
from receiver.receiver import BACKLOG
from receiver.server import serve
from receiver.storage.spill.files import prepare
from runtime.client_address import client_address
from runtime.listening_socket import listen
from runtime.metrics import port as metrics_port
from runtime.metrics.board import Board
from runtime.metrics.monitor import Monitor
from runtime.task_cancellation import cancel_and_wait
from worker.components import Setup, setup_of
from worker.main import work
from worker.monitoring.worker_watch import WorkerWatch
from worker.vitals import METRICS, Vitals

log = logging.getLogger("hookline.launcher")

_MARGIN_S = 5.0
"""Seconds that a process gets beyond its own grace period before it is killed."""


def open_listener(config: Config) -> socket.socket:
    """The socket that all receiver processes share. Raises ListenError."""
    settings = config.receiver
    return _opened("receiver", settings.host, settings.port, backlog=BACKLOG)


def open_inspector(config: Config) -> socket.socket:
    """The socket of the inspector's pages. Raises ListenError."""
    settings = config.inspector
    return _opened("inspector", settings.host, settings.port)


def open_worker_port(config: Config) -> AbstractContextManager[socket.socket | None]:
    """The socket for health and metrics of all worker processes; None without worker.port. Raises ListenError."""
    settings = config.worker
    return nullcontext() if settings.port is None else _opened("worker", settings.host, settings.port)


def open_inspector_metrics(config: Config) -> AbstractContextManager[socket.socket | None]:
    """The socket for health and metrics of the inspector; None without a port. Raises ListenError."""
    settings = config.inspector
    if settings.metrics_port is None:
        return nullcontext()
    return _opened("inspector", settings.metrics_host, settings.metrics_port, setting="metrics_")


def _opened(section: str, host: str, port: int, *, backlog: int | None = None, setting: str = "") -> socket.socket:
    try:
        return listen(host, port, backlog=backlog)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        variable = f"HOOKLINE_{section.upper()}_{setting.upper()}"
        raise ListenError(
            f"cannot listen on {host} port {port}: {reason.lower()}: set {variable}PORT or {variable}HOST "
            f"({section}.{setting}port, {section}.{setting}host)"
        ) from None


def log_accepted_risks(redis: RedisSettings) -> None:
    """Log, once at the start, the risk that the operator accepted with redis.persistence."""
    if redis.persistence == "none":
        log.warning("%s", NO_PERSISTENCE, extra={"action": "redis_not_persistent"})


def checked_for_receiver(config: Config) -> Config:
    """Return the config if a receiver can start with it. Raises StartError."""
    source_verifiers(config.sources, config.receiver.trusted_proxies, public_url=config.receiver.public_url)
    return config


def checked_for_worker(config: Config) -> Config:
    """Return the config if a worker can open its channels here. Raises ConfigError."""
    faults = channel_faults(config.channels)
    if faults:
        raise ConfigError(faults)
    return config


def receivers(
    reloadable: ReloadableConfig, redis: RedisSettings, listener: socket.socket, *, processes: int
) -> Group:
    """Receiver processes on one socket, which reload `[sources]`. Raises SpillDirError."""
    settings = reloadable.current.receiver
    if settings.spill_dir:
        prepare(Path(settings.spill_dir))
    board = Board(processes)

    async def run(number: int) -> None:
        partitions = connect_all(redis)
        configs = recorded_updates(redis, reloadable.updates(watch_secrets=True))
        updates = (config.sources async for config in configs)
        try:
            async with asyncio.TaskGroup() as group:  # webhooks are answered while Redis is away
                claiming = group.create_task(claim_when_there(redis, reloadable.current))
                watching = group.create_task(watch_layout(redis))
                missing = group.create_task(_worker_watch(reloadable, partitions).run())
                sources = reloadable.current.sources
                with tracer_for("receiver", reloadable.current) as tracer:
                    await serve(
                        settings,
                        sources,
                        partitions,
                        listener,
                        process=number,
                        board=board,
                        tracer=tracer,
                        updates=updates,
                    )
                await cancel_and_wait([claiming, watching, missing])
        finally:
            await partitions.aclose()

    return Group(
        name="receiver",
        run=_process(run),
        count=processes,
        stop_s=settings.shutdown_timeout_s + settings.flush_timeout_s + _MARGIN_S,
        reload=reloadable.reload,
        each_second=reloadable.reload_secrets,
    )


def workers(
    reloadable: ReloadableConfig, redis: RedisSettings, listener: socket.socket | None = None, *, processes: int
) -> Group:
    """Worker processes, which reload sources, channels, rules and alerts. listener: for health and metrics."""
    settings, receiver = reloadable.current.worker, reloadable.current.receiver
    durability = Durability(receiver.durability, receiver.replicas)

    board = Board(processes)

    async def run(number: int) -> None:
        with tracer_for("worker", reloadable.current) as tracer:
            await run_with(number, Vitals(settings, tracer))

    async def run_with(number: int, vitals: Vitals) -> None:
        monitor = Monitor(
            "worker", METRICS, samples=vitals.samples, reasons=vitals.reasons, board=board, process=number
        )
        async with metrics_port.serving(listener, monitor):  # also while the worker waits for Redis
            await claim_when_there(redis, reloadable.current)
            updates = (_setup(new) async for new in recorded_updates(redis, reloadable.updates()))
            setup = _setup(reloadable.current)
            working = work(settings, setup, redis, durability=durability, updates=updates, vitals=vitals)
            await while_layout_fits(redis, working)

    return Group(
        name="worker",
        run=_process(run),
        count=processes,
        stop_s=2 * settings.stop_grace_s + _MARGIN_S,
        reload=reloadable.reload,
    )


def inspectors(
    reloadable: ReloadableConfig,
    redis: RedisSettings,
    listener: socket.socket,
    metrics_listener: socket.socket | None = None,
) -> Group:
    """The one inspector process, which reloads sources and channels. metrics_listener: for health and metrics."""
    settings = reloadable.current.inspector

    async def run(_: int) -> None:
        partitions = connect_all(redis)
        keeping = asyncio.create_task(retention_task.run(partitions, lambda: reloadable.current.dead))
        missing = asyncio.create_task(_worker_watch(reloadable, partitions).run())
        try:
            await inspector_server.serve(
                settings,
                partitions,
                listener,
                _configured(reloadable.current),
                client_address=_client_address(settings),
                updates=(_configured(config) async for config in reloadable.updates()),
                metrics_listener=metrics_listener,
            )
        finally:
            await cancel_and_wait([keeping, missing])
            await partitions.aclose()

    return Group(
        name="inspector", run=_process(run), stop_s=inspector_server.STOP_S + _MARGIN_S, reload=reloadable.reload
    )


def run_group(group: Group) -> int:
    """Run a group until a signal stops it: in this process if it has one process, else supervised.

    Returns the exit code.
    """
    return supervise([group]) if group.count > 1 else group.run(0)


def _setup(config: Config) -> Setup:
    return setup_of(config.sources, config.rules, config.channels, config.alerts, config.history)


def _worker_watch(reloadable: ReloadableConfig, partitions: Partitions) -> WorkerWatch:
    return WorkerWatch(partitions, lambda: reloadable.current.channels, lambda: reloadable.current.alerts)


def _configured(config: Config) -> Configured:
    settings = config.inspector
    return Configured(
        sources=config.sources,
        channels=tuple(config.channels),
        spilled=partial(spilled_here, config.receiver),
        writes_history=config.history.is_on,
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
            code = report_error(error)
            if code is None:
                raise
            return code
        return 0

    return process
