"""One worker process: intake and notify on one event loop, and its end."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import random
import secrets
import signal
import socket
from collections.abc import Mapping

from broker.connection import Settings as RedisSettings
from broker.connection import connect
from broker.ending import ended
from sources import KINDS
from sources.settings import Settings as SourceSettings
from worker.alerts import Alerts
from worker.arq_worker import NotifyWorker
from worker.channels import open_channels
from worker.channels.settings import ChannelSettings
from worker.drift import Drift
from worker.enrich import Enricher
from worker.guards import Guards
from worker.intake import Intake
from worker.notify import Notifier
from worker.planning import Planner, WorkerSource
from worker.render import Renderer
from worker.rules import Rule, RuleBook
from worker.settings import AlertSettings, Settings

log = logging.getLogger("hookline.worker")


async def work(
    settings: Settings,
    sources: Mapping[str, SourceSettings],
    rules: tuple[Rule, ...],
    channels: Mapping[str, ChannelSettings],
    redis: RedisSettings,
    *,
    alerts: AlertSettings,
) -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way within stop_grace_s.

    A second signal ends the process at once: what it had claimed is taken over by others.
    """
    gc.freeze()  # what is loaded stays, and to look through it again and again costs a tenth of the CPU time
    gc.set_threshold(10_000)
    known = {
        name: WorkerSource(
            KINDS[source.kind],
            source.dedupe_window_days,
            source.api,
            source.max_event_age_s,
            source.expect_every_s,
        )
        for name, source in sources.items()
    }
    await run(settings, known, rules, channels, redis, alerts=alerts, stop=_stop_on_signals())


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
    """The same until `stop` is set, for callers that know the kinds of their sources themselves."""
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    client = connect(redis)
    opened = open_channels(channels)
    enricher = Enricher(rules, sources)
    kinds = {source: known.kind for source, known in sources.items()}
    notifier = Notifier(
        client,
        kinds,
        Renderer(rules),
        opened,
        enricher,
        max_starts=settings.max_deliveries,
        rng=random.Random(),  # noqa: S311 - jitter
    )
    telling = Alerts(client, opened.get(alerts.channel), alerts)
    drift = Drift(client, kinds, telling, every=settings.drift_every)
    planner = Planner(sources, RuleBook(rules), max_deliveries=settings.max_deliveries, on_event=drift.pass_by)
    intake = Intake(client, planner, settings, consumer=name)
    guards = Guards(client, sources, telling)
    worker = NotifyWorker(client, settings, notifier, intake.take_over, name=name)
    intake.on_jobs = worker.wake
    log.info("worker %s started", name, extra={"action": "worker_started", "worker": name})
    try:
        async with asyncio.TaskGroup() as group:
            watchdog = group.create_task(_watchdog(settings.stall_s))
            guarding = group.create_task(guards.run())
            sampling = group.create_task(drift.run())
            reading = group.create_task(intake.run())
            group.create_task(worker.main())
            await stop.wait()
            log.info("worker %s stops", name, extra={"action": "worker_stopping", "worker": name})
            await ended([guarding, sampling])
            intake.stop()
            await asyncio.wait([reading], timeout=settings.stop_grace_s)
            await worker.drain(settings.stop_grace_s)
            watchdog.cancel()
    finally:
        faulthandler.cancel_dump_traceback_later()
        for channel in opened.values():
            await channel.close()
        await enricher.close()
        await client.aclose()
    log.info("worker %s stopped", name, extra={"action": "worker_stopped", "worker": name})


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
