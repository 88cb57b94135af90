"""Audit of a run: every accepted event must be notified or a dead letter, each notification with one key."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from msgspec import Struct

from broker import dead_letters
from broker.merged.sums import sum_totals
from broker.monitoring import stats
from broker.monitoring.stats import Totals
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from tests.chaos.disruptor import PastDisruption
from tests.chaos.events import (
    BALANCE,
    EVERY_EVENT,
    REWARDS,
    SUMMARY,
    is_balance,
    is_broken,
    is_gift,
    is_refused,
    is_rewarded,
    number_in,
)
from tests.chaos.record import Record, Resend, What
from tests.chaos.rule_audit import (
    ends_with_older,
    in_several_digests,
    in_taken_digests,
    older_after_newer,
    superseded,
)
from tests.key_check import undeclared

BROKEN = "broken"
"""Used instead of a rule where no rule was reached: the body itself is a dead letter."""

NO_DISRUPTION = "no disruption"
_RESENDS_ALLOWED = 0.001
_AFTERMATH_S = 5.0


class Audit(Struct, frozen=True, kw_only=True):
    """The findings of an audit."""

    events: int
    """Number of events; all of them were finally answered 2xx."""
    notified: int
    dead: int
    lost: list[What]
    unexpectedly_dead: list[What]
    two_keys: list[What]
    older_after_newer: list[What]
    """`latest_only` notifications that were sent although Hookline knew that a newer one was sent."""
    ends_with_older: list[What]
    """The newest events of subjects whose last notification was of an older event."""
    in_several_digests: list[str]
    digests: int
    crossed: list[What]
    """Notifications and dead letters of events that the other installation accepted."""
    resends: dict[str, int]
    """Notifications that were sent again though the sink had accepted them, by the nearest disruption."""
    totals: Totals
    miscounted: list[str]
    stray_keys: list[str]
    """Keys that differ from their declarations, or should not exist when the stack is idle."""

    @property
    def resent_share(self) -> float:
        return sum(self.resends.values()) / self.notified if self.notified else 0.0

    def faults(self) -> list[str]:
        """Return each broken guarantee as a sentence; a good run has no such sentence."""
        faults = {
            f"{len(self.lost)} lost: {self.lost[:5]}": self.lost,
            f"{len(self.unexpectedly_dead)} dead for no reason: {self.unexpectedly_dead[:5]}": (
                self.unexpectedly_dead
            ),
            f"{len(self.two_keys)} with two keys: {self.two_keys[:5]}": self.two_keys,
            f"{len(self.older_after_newer)} older after newer: {self.older_after_newer[:5]}": (
                self.older_after_newer
            ),
            f"{len(self.ends_with_older)} end with an older one: {self.ends_with_older[:5]}": self.ends_with_older,
            f"events in several digests: {self.in_several_digests[:5]}": self.in_several_digests,
            f"{len(self.crossed)} of another installation: {self.crossed[:5]}": self.crossed,
            f"sent again without a disruption: {self.resends.get(NO_DISRUPTION)}": NO_DISRUPTION in self.resends,
            f"{self.resent_share:.2%} were sent again": self.resent_share > _RESENDS_ALLOWED,
            f"the counters do not add up: {self.miscounted}": self.miscounted,
            f"keys that should not be there, or should expire: {self.stray_keys[:5]}": self.stray_keys,
        }
        return [words for words, holds in faults.items() if holds]


async def audit(
    partitions: Partitions,
    record: Record,
    accepted: range,
    disruptions: Sequence[PastDisruption],
    logged_s: Mapping[str, float],
) -> Audit:
    """Check everything while the stack is idle: nothing queued, nothing waiting, no worker running.

    accepted: the numbers of the webhooks that were accepted. logged_s: see `older_after_newer`.
    """
    record.refresh()
    died = {what for redis in partitions for what in await _dead(redis)}
    expected = set(_expected(accepted))
    dying = {what for what in expected if what[1] == BROKEN or (what[1] == EVERY_EVENT and is_refused(what[0]))}
    notified = {what for what in record.taken_at_s if what[1] != SUMMARY}
    sent = notified | {(number, SUMMARY) for number in in_taken_digests(record)}
    balances = [number for number, rule in expected if rule == BALANCE]
    stale = superseded(balances, [number for number, rule in notified if rule == BALANCE])
    totals = await all_totals(partitions)
    return Audit(
        events=len(accepted),
        notified=len(notified) + len(record.taken_digests),
        dead=len(died),
        lost=sorted(expected - sent - died - {(number, BALANCE) for number in stale}),
        unexpectedly_dead=sorted(died - dying),
        two_keys=sorted(what for what, keys in record.keys.items() if len(keys) > 1),
        older_after_newer=older_after_newer(record.balances, logged_s),
        ends_with_older=ends_with_older(record.balances, balances),
        in_several_digests=in_several_digests(record),
        digests=len(record.digests),
        crossed=sorted(what for what in sent | died if what[0] not in accepted),
        resends=Counter(_disruption_near(resend, disruptions) for resend in record.resends),
        totals=totals,
        miscounted=list(_miscounted(totals, expected, dying, len(record.digests))),
        stray_keys=sorted([key for redis in partitions async for key in _stray_keys(redis)]),
    )


async def all_totals(partitions: Partitions) -> Totals:
    """Return the sums over all partitions. Raises BrokerError if one is away."""
    return sum_totals([await stats.read_totals(redis) for redis in partitions])


def _expected(accepted: Iterable[int]) -> Iterable[What]:
    for number in accepted:
        if is_broken(number):
            yield number, BROKEN
            continue
        yield number, EVERY_EVENT
        if is_rewarded(number):
            yield number, REWARDS
        if is_balance(number):
            yield number, BALANCE
        if is_gift(number):
            yield number, SUMMARY


def _miscounted(totals: Totals, expected: set[What], dying: set[What], digests: int) -> Iterable[str]:
    of = Counter(rule for _, rule in expected)
    created = len(expected) - of[BROKEN] - of[SUMMARY] + digests
    dead = len(dying) - of[BROKEN]
    if not totals.bodies_add_up() or not totals.notifications_add_up():
        yield f"{totals}"
    for name, counted, right in (
        # A redelivery of an event whose notification is dead tries it again, and counts as processed.
        ("processed", totals.processed - totals.retried_on_redelivery, of[EVERY_EVENT]),
        ("created", totals.created, created),
        ("sent and skipped", totals.sent + totals.skipped, created - dead),
        ("dead", totals.dead, dead),
        ("queued", totals.queued, 0),
        ("waiting", totals.waiting, 0),
    ):
        if counted != right:
            yield f"{name} is {counted}, not {right}"
    if totals.skipped > of[BALANCE]:
        yield f"skipped is {totals.skipped}, of {of[BALANCE]} that may be"


async def _dead(redis: Client) -> set[What]:
    dead = set()
    for letter_id in await redis.zrange(redis.names.dead_index, 0, -1):
        stored_letter = await dead_letters.get(redis, letter_id.decode())
        assert stored_letter is not None, letter_id
        dead.add((number_in(stored_letter.body), stored_letter.letter.rule or BROKEN))
    return dead


def _disruption_near(resend: Resend, disruptions: Sequence[PastDisruption]) -> str:
    """Return the disruption nearest to the first delivery, whose outcome was not recorded."""
    distances = {
        max(one.began_s - resend.taken_at_s, resend.taken_at_s - one.ended_s, 0): one for one in disruptions
    }
    nearest = min(distances, default=math.inf)
    return distances[nearest].disruption.name if nearest < _AFTERMATH_S else NO_DISRUPTION


async def _stray_keys(redis: Client) -> AsyncIterator[str]:
    for fault in await undeclared(redis):
        yield fault
    for beginning in (redis.names.job, redis.names.done):  # there are no jobs at rest
        async for raw in redis.scan_iter(match=beginning + "*", count=1000):
            yield raw.decode()


async def foreign_keys(redis: Client, prefixes: tuple[str, ...]) -> list[str]:
    """Return the keys in the database that begin with none of these prefixes."""
    return [key.decode() async for key in redis.scan_iter(count=1000) if not key.decode().startswith(prefixes)]
