"""One worker process: intake and notify on one event loop, and its end."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from runtime.task_cancellation import ended
from worker.arq_worker import NotifyWorker
from worker.channels.errors import ChannelError
from worker.channels.settings import ChannelSettings
from worker.components import LiveNotifier, Parts, Setup
from worker.delivery.channel_runtime import ChannelRuntimes
from worker.delivery.job_leases import Leases
from worker.delivery.outcome_recorder import Recorder
from worker.delivery.redelivery_retry import Revival
from worker.intake.digests import Digests
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.monitoring.alerts import Alerts
from worker.monitoring.drift import Drift
from worker.monitoring.monitors import Monitors
from worker.rules.rules import Rule, RuleBook
from worker.settings import AlertSettings, Settings
from worker.worker_context import WorkerContext
from worker.worker_source import WorkerSource

log = logging.getLogger("hookline.worker")


async def work(
    settings: Settings, setup: Setup, redis: RedisSettings, *, updates: AsyncIterator[Setup] | None = None
) -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way within stop_grace_s.

    updates: each setup that is to be taken over from then on. A second signal ends the process at once: what it
    had claimed is taken over by others.
    """
    spare_collections()
    await run_live(settings, setup, redis, stop=_stop_on_signals(), updates=updates)


def spare_collections() -> None:
    """Let Python look for cycles more rarely: to look through what is loaded, and stays, costs much CPU time."""
    gc.freeze()
    gc.set_threshold(10_000)


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
    """The same until `stop` is set, with one setup all the time."""
    setup = Setup(sources=sources, rules=rules, channels=channels, alerts=alerts)
    await run_live(settings, setup, redis, stop=stop)


async def run_live(
    settings: Settings,
    setup: Setup,
    redis: RedisSettings,
    *,
    stop: asyncio.Event,
    updates: AsyncIterator[Setup] | None = None,
) -> None:
    """The same until `stop` is set."""
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    client = connect(redis)
    runtimes = ChannelRuntimes(client, max_jobs=settings.max_jobs)
    context = WorkerContext(client, name, settings, Recorder(client, name), runtimes)
    parts = Parts(setup, context)
    telling = Alerts(client, parts.channels.get(setup.alerts.channel), setup.alerts)
    drift = Drift(client, parts.kinds, telling, every=settings.drift_every)

    def planner(setup: Setup) -> Planner:
        return Planner(
            setup.sources,
            RuleBook(setup.rules),
            max_deliveries=settings.max_deliveries,
            max_future_s=settings.max_future_s,
            on_event=drift.pass_by,
        )

    intake = Intake(client, planner(setup), settings, consumer=name)
    guards = Monitors(client, setup.sources, telling, setup.alerts)
    notifier = LiveNotifier(parts)

    async def follow(setup: Setup) -> None:
        plans = planner(setup)
        fresh = Parts(setup, context)
        telling.follow(fresh.channels.get(setup.alerts.channel), setup.alerts)
        drift.follow(fresh.kinds)
        guards.follow(setup.sources, setup.alerts)
        intake.reload(plans)
        await notifier.follow(fresh)

    leases = Leases(client, name, lease_s=settings.lease_s)
    worker = NotifyWorker(client, settings, leases, runtimes, notifier, name=name)
    redelivery_retry = Revival(client, worker.wake)
    intake.on_jobs, intake.on_redelivery = worker.wake, redelivery_retry.wake
    log.info("worker %s started", name, extra={"action": "worker_started", "worker": name})
    try:
        async with asyncio.TaskGroup() as group:
            watchdog = group.create_task(_watchdog(settings.stall_s))
            guarding = group.create_task(guards.run())
            sampling = group.create_task(drift.run())
            minding = group.create_task(runtimes.run(worker.wake))
            gathering = group.create_task(Digests(client, worker.wake).run())
            reviving = group.create_task(redelivery_retry.run())
            reading = [group.create_task(intake.run()), group.create_task(intake.run_take_over())]
            following = group.create_task(_follow_all(updates, follow))
            group.create_task(worker.main())
            await stop.wait()
            log.info("worker %s stops", name, extra={"action": "worker_stopping", "worker": name})
            await ended([guarding, sampling, following, gathering, reviving])
            intake.stop()
            await asyncio.wait(reading, timeout=settings.stop_grace_s)
            await worker.drain(settings.stop_grace_s)
            await ended([minding])
            watchdog.cancel()
    finally:
        faulthandler.cancel_dump_traceback_later()
        await notifier.close()
        await client.aclose()
    log.info("worker %s stopped", name, extra={"action": "worker_stopped", "worker": name})


async def _follow_all(updates: AsyncIterator[Setup] | None, follow: Callable[[Setup], Awaitable[None]]) -> None:
    """Take over each setup as it comes; one that cannot be changes nothing."""
    if updates is None:
        return
    async for setup in updates:
        try:
            await follow(setup)
        except ChannelError as error:
            log.error("the config was not taken over: %s", error, extra={"action": "reload_refused"})  # noqa: TRY400
        except Exception:
            log.exception("the config was not taken over", extra={"action": "reload_failed"})
        else:
            log.info("this worker goes by the new config", extra={"action": "worker_reloaded"})


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
    """End the process, with a traceback, when its event loop stands still: a stuck one must not keep its work."""
    while True:
        faulthandler.dump_traceback_later(stall_s, exit=True)
        await asyncio.sleep(stall_s / 10)
