"""Raises alerts about dead letters, as `[alerts]` says.

Alerts do not go through the job queue (worker/monitoring/alerts.py), so an alert never becomes a dead letter.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from broker import dead_letters
from broker.dead_letters import DeadLetter, group_states
from broker.dead_letters.group_states import GroupState
from broker.merged.group_states import keep_states
from broker.merged.unreported import AllUnreported, forget_reported, read_all_unreported
from broker.monitoring.alerts import current_alerts
from broker.monitoring.reportable import Reportable, read_reportable, sum_reportable
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
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
from worker.monitoring.quiet_groups import without_quiet
from worker.settings import AlertSettings

_KEEP_EVERY_S = 3600.0


class DeadLetterMonitor:
    """Checks whether dead letters cause an alert."""

    def __init__(self, partitions: Partitions, alerts: Alerts, settings: AlertSettings) -> None:
        self._partitions = partitions
        self._alerts = alerts
        self._keep_at_s = 0.0
        """When (monotonic) the decisions about groups that have letters are kept for longer again."""

        self.reload(settings)

    def reload(self, settings: AlertSettings) -> None:
        """Apply these settings from now on."""
        self._settings = settings

    async def check(self, now_ms: int) -> None:
        """Raise and end alerts. Several workers may do so at a time. Raises BrokerError."""
        answers = await ask_all(self._partitions, partial(read_reportable, minutes=RATE_MINUTES))
        await self.check_counts(sum_reportable(answers.by_partition), now_ms)

    async def check_counts(self, counts: Reportable, now_ms: int) -> None:
        """Do the same with counts that were just read, of all partitions together."""
        facts = DeadFacts(letters=counts.letters, died=counts.died)
        if any(count_alerts(facts, self._settings, now_ms)):
            facts = await without_quiet(self._partitions, facts, now_ms)
        if counts.alerts or any(count_alerts(facts, self._settings, now_ms)):
            await self._check_counts(facts, now_ms)
        if time.monotonic() >= self._keep_at_s:
            await keep_states(self._partitions)
            self._keep_at_s = time.monotonic() + _KEEP_EVERY_S
        if not (counts.new_groups or counts.purged):
            return
        unreported = await read_all_unreported(self._partitions)
        await forget_reported(self._partitions, unreported, unreported.known)
        if unreported.new:
            await self._report_new(unreported, now_ms)
        if unreported.purges:
            await self._report_purged(unreported, now_ms)

    async def _check_counts(self, facts: DeadFacts, now_ms: int) -> None:
        current = {alert.name: alert for alert in await current_alerts(self._partitions.control, now_ms=now_ms)}
        holding = {alert.name: alert for alert in count_alerts(facts, self._settings, now_ms)}
        for name, alert in holding.items():
            since_ms = current.get(name, alert).since_ms
            await self._alerts.hold(alert.since(since_ms), now_ms=now_ms)
        for alert in current.values():
            if alert.kind in KINDS and has_ended(alert, facts, holding):
                await self._alerts.end(alert, end_text(alert, facts))

    async def _report_new(self, unreported: AllUnreported, now_ms: int) -> None:
        control, new = self._partitions.control, unreported.new
        states = await group_states.read(control, new)
        loud = sorted(name for name in new if name not in states or not states[name].is_muted(now_ms))
        # The alert is sent before the groups are marked as reported. If this process is killed in between, another
        # worker sends it again, with the same idempotency key.
        is_reported = await self._alert_new(new, loud, states, now_ms)
        done = list(new) if is_reported else [name for name in new if name not in loud]
        for name in done:
            if name in states and states[name].resolved_ms:
                await group_states.note_return(control, name, states[name].resolved_ms)
        await forget_reported(self._partitions, unreported, done)

    async def _alert_new(
        self,
        new: Mapping[str, tuple[int, str]],
        loud: Sequence[str],
        states: Mapping[str, GroupState],
        now_ms: int,
    ) -> bool:
        """Alert about these groups. Returns True if no alert is needed any more."""
        if not loud or not self._settings.dead_new:
            return True
        first = await self._letters([new[name] for name in loud[:NAMED]])
        returned = {name for name, state in states.items() if state.resolved_ms}
        groups = [NewGroup(name, first.get(new[name][1]), name in returned) for name in loud]
        # The first letters are in the key, since a group that was resolved may be new again soon.
        about = _digest(f"{name}:{new[name][1]}" for name in loud)
        return await self._alerts.hold(new_groups_alert(groups, now_ms), now_ms=now_ms, about=about)

    async def _report_purged(self, unreported: AllUnreported, now_ms: int) -> None:
        if unreported.purged:
            alert = purged_alert(unreported.purged, now_ms)
            if not await self._alerts.hold(alert, now_ms=now_ms, about=unreported.purge_name):
                return
        for number, purge in unreported.purges.items():
            await dead_letters.forget_purged(self._partitions[number], purge.purged)

    async def _letters(self, places: list[tuple[int, str]]) -> dict[str, DeadLetter]:
        """The dead letters by id, without those that this version cannot read. places: (partition, id) of each."""
        by_partition: dict[int, list[str]] = {}
        for number, letter_id in places:
            by_partition.setdefault(number, []).append(letter_id)
        letters = [
            letter
            for number, ids in by_partition.items()
            for letter in await dead_letters.letters(self._partitions[number], ids)
        ]
        return {letter.id: letter for letter in letters if letter and not letter.is_unreadable}


def _digest(names: Iterable[str]) -> str:
    return hashlib.blake2b("\x1f".join(names).encode(), digest_size=8).hexdigest()
