"""Checks every few seconds whether sources, waiting work, dead letters or Redis cause an alert.

Only one worker at a time checks sources and dead letters. Each worker watches Redis for itself, and not in a cron
job of arq, which would need Redis to run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from msgspec import structs

from broker.merged.source_health import end_old_failures, merge_sources
from broker.monitoring.alerts import Alert, acquire_alert_lease, current_alerts, forget_ended
from broker.monitoring.reportable import Reportable, read_reportable, sum_reportable
from broker.monitoring.source_health import SourceFacts, read_sources, watch
from broker.redis.client import Client
from broker.redis.clock import now_ms as redis_now_ms
from broker.redis.errors import BrokerError
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
from runtime.fault_log import Faults
from sources.retry_deadline import clock, warning
from worker.monitoring.alerts import Alerts
from worker.monitoring.clock_monitor import check_clocks
from worker.monitoring.dead_letter_conditions import RATE_MINUTES
from worker.monitoring.dead_letter_monitor import DeadLetterMonitor
from worker.monitoring.partition_monitor import PartitionMonitor
from worker.monitoring.set_aside_monitor import SetAsideMonitor
from worker.monitoring.source_conditions import KINDS, end_text, source_alerts
from worker.monitoring.work_monitor import WorkMonitor
from worker.settings import AlertSettings
from worker.worker_source import WorkerSource

log = logging.getLogger("hookline.worker")

REDIS = "redis"
REDIS_AWAY_MS = 60_000

_CHECK_EVERY_S = 15.0
_LEASE_SHARE = 0.9
"""Share of the time between two checks for which a worker has the lease, so that it can take the next one too."""


class PartitionFacts(NamedTuple):
    """The facts about one partition that the checks need."""

    sources: Mapping[str, SourceFacts]
    counts: Reportable


class Monitors:
    """The monitors of one worker process."""

    def __init__(
        self,
        partitions: Partitions,
        sources: Mapping[str, WorkerSource],
        alerts: Alerts,
        settings: AlertSettings,
        *,
        numbers: Callable[[], Collection[int]] = lambda: (),
    ) -> None:
        """numbers: returns the numbers of the partitions that this process reads now."""
        self._partitions = partitions
        self._redis = partitions.control
        self._alerts = alerts
        self._dead_letters = DeadLetterMonitor(partitions, alerts, settings)
        self._work = WorkMonitor(partitions, alerts, settings)
        self._set_aside = SetAsideMonitor(partitions, alerts)
        self._partition_monitor = PartitionMonitor(partitions, alerts, numbers)
        self._away_since_ms = 0
        self._last_read: dict[int, PartitionFacts] = {}
        """The last answer of each partition. It counts while the partition is away: else alerts would end then."""
        self.reload(sources, settings)

    def reload(self, sources: Mapping[str, WorkerSource], settings: AlertSettings) -> None:
        """Check these sources, and dead letters by these settings, from now on."""
        self._sources = sources
        self._dead_letters.reload(settings)
        self._work.reload(settings)
        expected = [source.expect_every_s for source in sources.values() if source.expect_every_s]
        self._every_s = max(1.0, min([_CHECK_EVERY_S, *expected]))

    async def run(self) -> None:
        """Check until cancelled. A Redis that is not reachable is one of the conditions."""
        faults = Faults(log, "a check for alerts failed", action="monitors_failed")
        # Not `repeat`: an outage is what this loop reports, so it is no reason to wait longer.
        while True:
            now_ms = self._redis.clock.now_ms()
            try:
                now_ms = await redis_now_ms(self._redis)
                if await acquire_alert_lease(self._redis, lasts_ms=int(self._every_s * 1000 * _LEASE_SHARE)):
                    await self.check(now_ms)
                await self.note_redis_reachable()
            except BrokerError as error:
                await self.note_redis_unreachable(error, now_ms)
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            try:
                await self._partition_monitor.check(now_ms)
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            await asyncio.sleep(self._every_s)

    async def check(self, now_ms: int) -> None:
        """Raise the alerts that hold and end the others.

        Several workers may do so at a time. Raises BrokerError.
        """
        sources = self._sources
        await self._read_partitions(sources)
        facts = await self._source_facts(sources, now_ms)
        holding = {
            alert.name: alert
            for name, source in sources.items()
            for alert in source_alerts(name, source, facts[name], now_ms)
        }
        for alert in holding.values():
            await self._alerts.hold(alert, now_ms=now_ms, once=alert.ends_ms > 0)
        counts = sum_reportable({number: read.counts for number, read in self._last_read.items()})
        if counts.alerts:
            for alert in await current_alerts(self._redis, now_ms=now_ms):
                if alert.kind in KINDS and not alert.ends_ms and alert.name not in holding:
                    await self._alerts.end(alert, end_text(alert, facts.get(alert.source, SourceFacts())))
        if counts.alerts or counts.set_aside:
            await self._set_aside.check(now_ms)
        await self._dead_letters.check_counts(counts, now_ms)
        await self._work.check(counts, now_ms)
        if counts.alerts or counts.off_clocks:
            await check_clocks(self._redis, self._alerts, now_ms)
        if counts.alerts:
            await forget_ended(self._redis, now_ms=now_ms)

    async def _read_partitions(self, sources: Collection[str]) -> None:
        async def read(redis: Client) -> PartitionFacts:
            return PartitionFacts(
                await read_sources(redis, sources), await read_reportable(redis, minutes=RATE_MINUTES)
            )

        answers = await ask_all(self._partitions, read)
        if 0 in answers.away:
            raise answers.away[0]
        self._last_read |= answers.by_partition
        if len(self._partitions) > 1:
            await end_old_failures(
                self._partitions, {number: read.sources for number, read in answers.by_partition.items()}
            )

    async def _source_facts(self, sources: Collection[str], now_ms: int) -> dict[str, SourceFacts]:
        facts = merge_sources(read.sources for read in self._last_read.values())
        new = [name for name in sources if not facts[name].watched_since_ms]
        if new:
            await watch(self._redis, new, now_ms=now_ms)
            facts |= {name: structs.replace(facts[name], watched_since_ms=now_ms) for name in new}
        return facts

    async def note_redis_unreachable(self, error: BrokerError, now_ms: int) -> None:
        """Raise the alert after a minute without an answer or with refused writes; webhooks are answered 503."""
        self._away_since_ms = self._away_since_ms or now_ms
        if now_ms - self._away_since_ms >= REDIS_AWAY_MS:
            await self._alerts.hold(self._redis_alert(str(error), now_ms), now_ms=now_ms)

    async def note_redis_reachable(self) -> None:
        """End the alert: Redis answers, and accepts writes."""
        if self._away_since_ms:
            since = clock(self._away_since_ms)
            text = f"{self._control_name()} is reachable again, after an outage since {since}"
            await self._alerts.end(self._redis_alert("", 0), text)
        self._away_since_ms = 0

    def _redis_alert(self, error: str, now_ms: int) -> Alert:
        # Webhooks are refused only if no partition takes them.
        is_all = len(self._partitions) == 1 or len(self._partitions.away) == len(self._partitions)
        warnings = dict.fromkeys(
            warning(source.kind, self._away_since_ms, now_ms) for source in self._sources.values() if is_all
        )
        sentences = [
            f"{self._control_name()} accepts no writes of this worker since {clock(self._away_since_ms)}: {error}",
            *warnings,
        ]
        text = "; ".join(part for part in sentences if part)
        return Alert(kind=REDIS, source="", since_ms=self._away_since_ms, text=text)

    def _control_name(self) -> str:
        return "Redis" if len(self._partitions) == 1 else "the control partition (0) of Redis"
