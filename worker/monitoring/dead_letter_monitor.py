"""Tells people of dead letters, on behalf of the rule on them in `[alerts]`.

What it tells goes beside the job queue (worker/monitoring/alerts.py), so that it never makes a dead letter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from broker import dead_letters
from broker.dead_letters import DeadLetter, Unreported
from broker.monitoring import stats
from broker.monitoring.alerts import current_alerts
from broker.redis.client import Client
from worker.monitoring.alerts import Alerts
from worker.monitoring.dead_letter_conditions import (
    KINDS,
    NAMED,
    RATE_MINUTES,
    DeadFacts,
    NewGroup,
    dead_causes,
    is_over,
    news,
    over,
    purges,
)
from worker.settings import AlertSettings


class DeadGuard:
    """Looks whether dead letters are cause for an alert."""

    def __init__(self, redis: Client, alerts: Alerts, settings: AlertSettings) -> None:
        self._redis = redis
        self._alerts = alerts
        self.follow(settings)

    def follow(self, settings: AlertSettings) -> None:
        """Go by this rule from now on."""
        self._settings = settings

    async def look(self, now_ms: int) -> None:
        """Tell what is to be told. Safe at any time, and for several at once. Raises BrokerError."""
        facts = DeadFacts(
            letters=await dead_letters.count(self._redis),
            died=await stats.read_died(self._redis, minutes=RATE_MINUTES),
        )
        await self._look_at_counts(facts, now_ms)
        unreported = await dead_letters.read_unreported(self._redis)
        if unreported.new:
            await self._tell_new(unreported.new, now_ms)
        if unreported.purged != unreported.purged_before:
            await self._tell_purged(unreported, now_ms)

    async def _look_at_counts(self, facts: DeadFacts, now_ms: int) -> None:
        current = {alert.name: alert for alert in await current_alerts(self._redis, now_ms=now_ms)}
        holding = {alert.name: alert for alert in dead_causes(facts, self._settings, now_ms)}
        for name, alert in holding.items():
            since_ms = current.get(name, alert).since_ms
            await self._alerts.hold(alert.since(since_ms), now_ms=now_ms)
        for alert in current.values():
            if alert.kind in KINDS and is_over(alert, facts, holding):
                await self._alerts.end(alert, over(alert, facts))

    async def _tell_new(self, new: dict[str, str], now_ms: int) -> None:
        """Told before it is forgotten. Killed in between, the next worker tells it again, with the same key."""
        fingerprints = sorted(new)
        if self._settings.dead_new:
            first = await self._letters([new[name] for name in fingerprints[:NAMED]])
            groups = [NewGroup(name, first.get(new[name])) for name in fingerprints]
            if not await self._alerts.hold(news(groups, now_ms), now_ms=now_ms, about=_digest(fingerprints)):
                return
        await dead_letters.forget_new(self._redis, fingerprints)

    async def _tell_purged(self, unreported: Unreported, now_ms: int) -> None:
        """Where Redis knows of fewer than it did, after a failover, there is nothing to tell."""
        if unreported.purged > unreported.purged_before:
            about = f"{unreported.purged_before}-{unreported.purged}"
            if not await self._alerts.hold(purges(unreported, now_ms), now_ms=now_ms, about=about):
                return
        await dead_letters.forget_purged(self._redis, unreported.purged)

    async def _letters(self, ids: list[str]) -> dict[str, DeadLetter]:
        """Without those that only a newer version can read."""
        found = await dead_letters.letters(self._redis, ids)
        return {letter.id: letter for letter in found if letter and not letter.is_unreadable}


def _digest(names: Iterable[str]) -> str:
    return hashlib.blake2b("\x1f".join(names).encode(), digest_size=8).hexdigest()
