"""Raises alerts about dead letters, as `[alerts]` says.

Alerts do not go through the job queue (worker/monitoring/alerts.py), so an alert never becomes a dead letter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from broker import dead_letters
from broker.dead_letters import DeadLetter, Unreported
from broker.monitoring.alerts import current_alerts
from broker.monitoring.reportable import Reportable, read_reportable
from broker.redis.client import Client
from worker.monitoring.alerts import Alerts
from worker.monitoring.dead_letter_conditions import (
    KINDS,
    NAMED,
    RATE_MINUTES,
    DeadFacts,
    NewGroup,
    count_alerts,
    end_text,
    has_ended,
    new_groups_alert,
    purged_alert,
)
from worker.settings import AlertSettings


class DeadLetterMonitor:
    """Checks whether dead letters cause an alert."""

    def __init__(self, redis: Client, alerts: Alerts, settings: AlertSettings) -> None:
        self._redis = redis
        self._alerts = alerts
        self.reload(settings)

    def reload(self, settings: AlertSettings) -> None:
        """Apply these settings from now on."""
        self._settings = settings

    async def check(self, now_ms: int) -> None:
        """Raise and end alerts. Several workers may do so at a time. Raises BrokerError."""
        await self.check_counts(await read_reportable(self._redis, minutes=RATE_MINUTES), now_ms)

    async def check_counts(self, counts: Reportable, now_ms: int) -> None:
        """Do the same with counts that were just read."""
        facts = DeadFacts(letters=counts.letters, died=counts.died)
        if counts.alerts or any(count_alerts(facts, self._settings, now_ms)):
            await self._check_counts(facts, now_ms)
        if not (counts.new_groups or counts.purged):
            return
        unreported = await dead_letters.read_unreported(self._redis)
        if unreported.new:
            await self._report_new(unreported.new, now_ms)
        if unreported.purged != unreported.purged_before:
            await self._report_purged(unreported, now_ms)

    async def _check_counts(self, facts: DeadFacts, now_ms: int) -> None:
        current = {alert.name: alert for alert in await current_alerts(self._redis, now_ms=now_ms)}
        holding = {alert.name: alert for alert in count_alerts(facts, self._settings, now_ms)}
        for name, alert in holding.items():
            since_ms = current.get(name, alert).since_ms
            await self._alerts.hold(alert.since(since_ms), now_ms=now_ms)
        for alert in current.values():
            if alert.kind in KINDS and has_ended(alert, facts, holding):
                await self._alerts.end(alert, end_text(alert, facts))

    async def _report_new(self, new: dict[str, str], now_ms: int) -> None:
        # The alert is sent before the groups are marked as reported. If this process is killed in between, another
        # worker sends it again, with the same idempotency key.
        fingerprints = sorted(new)
        if self._settings.dead_new:
            first = await self._letters([new[name] for name in fingerprints[:NAMED]])
            groups = [NewGroup(name, first.get(new[name])) for name in fingerprints]
            if not await self._alerts.hold(
                new_groups_alert(groups, now_ms), now_ms=now_ms, about=_digest(fingerprints)
            ):
                return
        await dead_letters.forget_new(self._redis, fingerprints)

    async def _report_purged(self, unreported: Unreported, now_ms: int) -> None:
        # After a failover Redis may count fewer purged letters than before: then there is nothing to report.
        if unreported.purged > unreported.purged_before:
            about = f"{unreported.purged_before}-{unreported.purged}"
            if not await self._alerts.hold(purged_alert(unreported, now_ms), now_ms=now_ms, about=about):
                return
        await dead_letters.forget_purged(self._redis, unreported.purged)

    async def _letters(self, ids: list[str]) -> dict[str, DeadLetter]:
        """The dead letters with these ids, without those that this version cannot read."""
        letters = await dead_letters.letters(self._redis, ids)
        return {letter.id: letter for letter in letters if letter and not letter.is_unreadable}


def _digest(names: Iterable[str]) -> str:
    return hashlib.blake2b("\x1f".join(names).encode(), digest_size=8).hexdigest()
