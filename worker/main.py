"""A worker process: intake and delivery on one event loop, from start to graceful stop."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from broker.queue.batch import RawBody
from broker.queue.stream import Entry
from broker.redis.confirmation import Durability
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import longest_block_s
from broker.redis.partitions import Partitions, connect_all
from runtime.garbage import collect_rarely
from runtime.process_identity import new_process_name
from runtime.task_cancellation import cancel_and_wait
from worker.channels.errors import ChannelError
from worker.channels.settings import ChannelSettings
from worker.components import Components, ReloadableNotifier, Setup
from worker.delivery.capacity.process_channels import ProcessChannels
from worker.intake.planner import Planner
from worker.monitoring.alerts import Alerts
from worker.monitoring.drift import Drift
from worker.monitoring.history_sealer import HistorySealer
from worker.monitoring.monitors import Monitors
from worker.monitoring.series_reporter import SeriesReporter
from worker.partitions.backlog_watch import BacklogWatch
from worker.partitions.partition_worker import PartitionWorker
from worker.partitions.readers import Readers
from worker.partitions.registration import Registration
from worker.rules.rules import Rule, RuleBook
from worker.settings import AlertSettings, Settings
from worker.vitals import Vitals
from worker.work_summary import WorkSummary
from worker.worker_context import WorkerContext
from worker.worker_source import WorkerSource

log = logging.getLogger("hookline.worker")


async def work(
    settings: Settings,
    setup: Setup,
    redis: RedisSettings,
    *,
    durability: Durability = Durability(),  # noqa: B008 - frozen
    updates: AsyncIterator[Setup] | None = None,
    vitals: Vitals | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way within stop_grace_s.

    durability: that of webhooks. updates: setups to reload, as they come. vitals: what the process says about
    itself. A second signal ends the process immediately, and other workers take over its work.
    """
    collect_rarely()
    stop = _stop_on_signals()
    await run_live(settings, setup, redis, durability=durability, stop=stop, updates=updates, vitals=vitals)


async def run(
    settings: Settings,
    sources: Mapping[str, WorkerSource],
    rules: tuple[Rule, ...],
    channels: Mapping[str, ChannelSettings],
    redis: RedisSettings,
    *,
    alerts: AlertSettings = AlertSettings(),  # noqa: B008 - frozen
    stop: asyncio.Event,
) -> None:
    """Run until `stop` is set, with one setup."""
    setup = Setup(sources=sources, rules=rules, channels=channels, alerts=alerts)
    await run_live(settings, setup, redis, stop=stop)


async def run_live(
    settings: Settings,
    setup: Setup,
    redis: RedisSettings,
    *,
    durability: Durability = Durability(),  # noqa: B008 - frozen
    stop: asyncio.Event,
    updates: AsyncIterator[Setup] | None = None,
    vitals: Vitals | None = None,
) -> None:
    """Run until `stop` is set, and reload each setup of `updates`."""
    partitions = connect_all(redis)
    await run_on(
        settings,
        setup,
        partitions,
        block_s=longest_block_s(redis),
        durability=durability,
        stop=stop,
        updates=updates,
        vitals=vitals,
    )


async def run_on(  # noqa: PLR0913 - what a process is started with
    settings: Settings,
    setup: Setup,
    partitions: Partitions,
    *,
    block_s: float,
    durability: Durability = Durability(),  # noqa: B008 - frozen
    stop: asyncio.Event,
    updates: AsyncIterator[Setup] | None = None,
    vitals: Vitals | None = None,
) -> None:
    """Run on these partitions until `stop` is set, and close their connections.

    block_s: how long Redis blocks a read while there is no webhook. durability: that of webhooks. vitals: what
    the process says about itself.
    """
    name = new_process_name()
    vitals = vitals or Vitals(settings)
    context = WorkerContext(partitions, name, settings, durability, ProcessChannels(partitions), vitals)
    components = Components(setup, context)
    alerts = Alerts(partitions.control, components.channels.get(setup.alerts.channel), setup.alerts)
    drift = Drift(partitions.control, components.kinds, alerts, every=settings.drift_every)
    notifier = ReloadableNotifier(components)

    def planner(setup: Setup) -> Planner:
        return _planner(setup, context, drift)

    def partition_worker(number: int, planner: Planner) -> PartitionWorker:
        return PartitionWorker(number, context, notifier, planner, block_s=block_s)

    readers = Readers(partition_worker, planner(setup))
    reporter = SeriesReporter(partitions.control, vitals.counters)
    sealer = HistorySealer(partitions, setup.history, name, lambda: readers.numbers)
    monitors = Monitors(partitions, setup.sources, alerts, setup.alerts, numbers=lambda: readers.numbers)

    async def reload(setup: Setup) -> None:
        # Both may raise, and then nothing is changed.
        new_planner = planner(setup)
        new_components = Components(setup, context)
        alerts.reload(new_components.channels.get(setup.alerts.channel), setup.alerts)
        drift.reload(new_components.kinds)
        monitors.reload(setup.sources, setup.alerts)
        sealer.settings = setup.history
        readers.reload(new_planner)
        await notifier.reload(new_components)

    registration = Registration(
        partitions,
        name,
        settings,
        readers,
        fingerprint=lambda: notifier.fingerprint,
        is_busy=context.vitals.room.is_busy,
    )
    registration.on_registered = vitals.health.note_registered
    backlog_watch = BacklogWatch(partitions, readers, registration)
    summary = WorkSummary(vitals.counters)
    log.info("worker %s started", name, extra={"action": "worker_started", "worker": name})
    try:
        async with asyncio.TaskGroup() as group:
            watchdog = group.create_task(_watchdog(settings.stall_s))
            reading = group.create_task(readers.run())
            side_tasks = [
                group.create_task(monitors.run()),
                group.create_task(drift.run()),
                group.create_task(sealer.run()),
                group.create_task(reporter.run()),
                group.create_task(_reload_all(updates, reload)),
                group.create_task(registration.run()),
                group.create_task(backlog_watch.run()),
                group.create_task(summary.run()),
            ]
            await stop.wait()
            vitals.health.is_stopping = True
            log.info("worker %s stops", name, extra={"action": "worker_stopping", "worker": name})
            await cancel_and_wait(side_tasks)
            await asyncio.gather(registration.sign_off(), readers.stop())
            await cancel_and_wait([reading])
            watchdog.cancel()
            summary.log()
            await reporter.finish()
    finally:
        faulthandler.cancel_dump_traceback_later()
        await notifier.close()
        await partitions.aclose()
    log.info("worker %s stopped", name, extra={"action": "worker_stopped", "worker": name})


def _planner(setup: Setup, context: WorkerContext, drift: Drift) -> Planner:
    settings, vitals, clock = context.settings, context.vitals, context.partitions.control.clock

    def note_batch(entry: Entry, bodies: Sequence[RawBody]) -> None:
        written_ms = int(entry.id.partition("-")[0])
        vitals.counters.note_batch(clock.now_ms() - written_ms, bodies)

    planner = Planner(
        setup.sources,
        RuleBook(setup.rules),
        max_deliveries=settings.max_deliveries,
        max_future_s=settings.max_future_s,
        on_event=drift.note_event,
        writes_history=setup.history.is_on,
    )
    planner.on_batch = note_batch
    if vitals.tracer is not None:
        from worker.intake.traces import IntakeTraces  # noqa: PLC0415 - needs the extra otel

        planner.traces = IntakeTraces(vitals.tracer)
    return planner


async def _reload_all(updates: AsyncIterator[Setup] | None, reload: Callable[[Setup], Awaitable[None]]) -> None:
    """Reload each setup as it comes; one that fails changes nothing."""
    if updates is None:
        return
    async for setup in updates:
        try:
            await reload(setup)
        except ChannelError as error:
            log.error("the config was not reloaded: %s", error, extra={"action": "reload_refused"})  # noqa: TRY400
        except Exception:
            log.exception("the config was not reloaded", extra={"action": "reload_failed"})
        else:
            log.info("the config is reloaded", extra={"action": "worker_reloaded"})


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()

    def end() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, end)
    return stop


async def _watchdog(stall_s: float) -> None:
    """End the process, with a traceback, when its event loop is blocked. Other workers take over its work."""
    while True:
        faulthandler.dump_traceback_later(stall_s, exit=True)
        await asyncio.sleep(stall_s / 10)
