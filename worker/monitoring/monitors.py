"""Looks, every few seconds, whether a source, dead letters or Redis are cause for an alert.

One worker of all looks at sources and dead letters. Redis itself each worker watches for itself, beside arq, whose
cron jobs need Redis to run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from broker.monitoring.alerts import Alert, acquire_alert_lease, current_alerts, forget_ended
from broker.monitoring.source_health import SourceFacts, read_sources, watch
from broker.redis.client import Client
from broker.redis.clock import now_ms as redis_now_ms
from broker.redis.errors import BrokerError
from runtime.fault_log import Faults
from sources.retry_deadline import clock, warning
from worker.monitoring.alerts import Alerts
from worker.monitoring.clock_monitor import look_at_clocks
from worker.monitoring.dead_letter_monitor import DeadGuard
from worker.monitoring.set_aside_monitor import SetAsideGuard
from worker.monitoring.source_conditions import KINDS, causes, over
from worker.settings import AlertSettings
from worker.worker_source import WorkerSource

log = logging.getLogger("hookline.worker")

REDIS = "redis"
REDIS_AWAY_MS = 60_000

_EVERY_S = 15.0
_TURN = 0.9
"""Share of the time between two looks that a turn lasts, so that the same worker gets the next one too."""


class Monitors:
    """One worker process's."""

    def __init__(
        self, redis: Client, sources: Mapping[str, WorkerSource], alerts: Alerts, settings: AlertSettings
    ) -> None:
        self._redis = redis
        self._alerts = alerts
        self._dead = DeadGuard(redis, alerts, settings)
        self._set_aside = SetAsideGuard(redis, alerts)
        self._away_since_ms = 0
        self.follow(sources, settings)

    def follow(self, sources: Mapping[str, WorkerSource], settings: AlertSettings) -> None:
        """Look at these sources, and at dead letters by these settings, from now on."""
        self._sources = sources
        self._dead.follow(settings)
        expected = [source.expect_every_s for source in sources.values() if source.expect_every_s]
        self._every_s = max(1.0, min([_EVERY_S, *expected]))

    async def run(self) -> None:
        """Look until cancelled. Redis being away is one of the things it looks for."""
        faults = Faults(log, "a look for alerts failed", action="guards_failed")
        while True:
            now_ms = self._redis.clock.now_ms()
            try:
                now_ms = await redis_now_ms(self._redis)
                if await acquire_alert_lease(self._redis, lasts_ms=int(self._every_s * 1000 * _TURN)):
                    await self.look(now_ms)
                await self.redis_is_there()
            except BrokerError as error:
                await self.redis_is_away(error, now_ms)
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            await asyncio.sleep(self._every_s)

    async def look(self, now_ms: int) -> None:
        """Raise what holds, end what does not. Safe at any time, and for several at once. Raises BrokerError."""
        sources = self._sources
        await watch(self._redis, sources, now_ms=now_ms)
        facts = await read_sources(self._redis, sources)
        holding = {
            alert.name: alert
            for name, source in sources.items()
            for alert in causes(name, source, facts[name], now_ms)
        }
        for alert in holding.values():
            await self._alerts.hold(alert, now_ms=now_ms, once=alert.ends_ms > 0)
        for alert in await current_alerts(self._redis, now_ms=now_ms):
            if alert.kind in KINDS and not alert.ends_ms and alert.name not in holding:
                await self._alerts.end(alert, over(alert, facts.get(alert.source, SourceFacts())))
        await self._set_aside.look(now_ms)
        await self._dead.look(now_ms)
        await look_at_clocks(self._redis, self._alerts, now_ms)
        await forget_ended(self._redis, now_ms=now_ms)

    async def redis_is_away(self, error: BrokerError, now_ms: int) -> None:
        """It did not answer, or does not take writes: while that is so, webhooks are answered 503."""
        self._away_since_ms = self._away_since_ms or now_ms
        if now_ms - self._away_since_ms >= REDIS_AWAY_MS:
            await self._alerts.hold(self._redis_alert(str(error), now_ms), now_ms=now_ms)

    async def redis_is_there(self) -> None:
        """It answers, and takes writes."""
        if self._away_since_ms:
            since = clock(self._away_since_ms)
            await self._alerts.end(self._redis_alert("", 0), f"Redis is there again; it was away since {since}")
        self._away_since_ms = 0

    def _redis_alert(self, error: str, now_ms: int) -> Alert:
        warnings = dict.fromkeys(
            warning(source.kind, self._away_since_ms, now_ms) for source in self._sources.values()
        )
        told = [f"Redis takes no writes of this worker since {clock(self._away_since_ms)}: {error}", *warnings]
        text = "; ".join(part for part in told if part)
        return Alert(kind=REDIS, source="", since_ms=self._away_since_ms, text=text)
