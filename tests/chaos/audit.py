"""Whether everything that was promised was kept: every accepted event told or a dead letter, each with one key."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from broker import dead, keys, stats
from broker.client import Client
from broker.stats import Totals
from tests.chaos.events import EVERY_EVENT, REWARDS, is_broken, is_refused, is_rewarded, number_in
from tests.chaos.record import Record, Resend, What
from tests.chaos.tormentor import Suffered
from tests.names import KEYS

BROKEN = "broken"
"""Stands for the rule where no rule was reached: the body itself is a dead letter."""

NO_HARM = "nothing that was done"
_RESENDS_ALLOWED = 0.001
_AFTERMATH_S = 5.0
_AT_REST_NEVER = ("job:*", "notify:done:*")
"""Jobs, and what goes with them."""


class Audit(Struct, frozen=True, kw_only=True):
    """The findings."""

    events: int
    """All of them were answered 2xx, at last."""
    notified: int
    dead: int
    lost: list[What]
    unexpectedly_dead: list[What]
    two_keys: list[What]
    resends: dict[str, int]
    """Notifications that were sent again though the sink had taken them, by the harm that they fell into."""
    totals: Totals
    miscounted: list[str]
    stray_keys: list[str]
    """Without an expiry, or there at all, where they should not be."""

    @property
    def resent_share(self) -> float:
        return sum(self.resends.values()) / self.notified if self.notified else 0.0

    def faults(self) -> list[str]:
        """Each broken promise in words; none is what a run must show."""
        found = {
            f"{len(self.lost)} lost: {self.lost[:5]}": self.lost,
            f"{len(self.unexpectedly_dead)} dead for no reason: {self.unexpectedly_dead[:5]}": (
                self.unexpectedly_dead
            ),
            f"{len(self.two_keys)} with two keys: {self.two_keys[:5]}": self.two_keys,
            f"sent again where nothing had happened: {self.resends.get(NO_HARM)}": NO_HARM in self.resends,
            f"{self.resent_share:.2%} were sent again": self.resent_share > _RESENDS_ALLOWED,
            f"the counters do not add up: {self.miscounted}": self.miscounted,
            f"keys that should not be there, or should expire: {self.stray_keys[:5]}": self.stray_keys,
        }
        return [words for words, holds in found.items() if holds]


async def audit(redis: Client, record: Record, events: int, suffered: Sequence[Suffered]) -> Audit:
    """Look at everything, at rest: nothing queued, nothing waiting, no worker running."""
    record.refresh()
    died = await _dead(redis)
    expected = set(_expected(events))
    dying = {what for what in expected if what[1] == BROKEN or (what[1] == EVERY_EVENT and is_refused(what[0]))}
    notified = set(record.taken_at_s)
    totals = await stats.read_totals(redis)
    return Audit(
        events=events,
        notified=len(notified),
        dead=len(died),
        lost=sorted(expected - notified - died),
        unexpectedly_dead=sorted(died - dying),
        two_keys=sorted(what for what, known in record.keys.items() if len(known) > 1),
        resends=Counter(_harm_of(resend, suffered) for resend in record.resends),
        totals=totals,
        miscounted=list(_miscounted(totals, expected, dying)),
        stray_keys=sorted([key async for key in _stray_keys(redis)]),
    )


def _expected(events: int) -> Iterable[What]:
    for number in range(events):
        if is_broken(number):
            yield number, BROKEN
            continue
        yield number, EVERY_EVENT
        if is_rewarded(number):
            yield number, REWARDS


def _miscounted(totals: Totals, expected: set[What], dying: set[What]) -> Iterable[str]:
    told = len(expected - dying)
    events = sum(rule == EVERY_EVENT for _, rule in expected)
    broken = sum(rule == BROKEN for _, rule in expected)
    if not totals.bodies_add_up() or not totals.notifications_add_up():
        yield f"{totals}"
    for name, counted, right in (
        ("processed", totals.processed, events),
        ("created", totals.created, len(expected) - broken),
        ("sent", totals.sent, told),
        ("dead", totals.dead, len(dying) - broken),
        ("queued", totals.queued, 0),
        ("waiting", totals.waiting, 0),
    ):
        if counted != right:
            yield f"{name} is {counted}, not {right}"


async def _dead(redis: Client) -> set[What]:
    found = set()
    for letter_id in await redis.zrange(KEYS.dead_index, 0, -1):
        grave = await dead.get(redis, letter_id.decode())
        assert grave is not None, letter_id
        found.add((number_in(grave.body), grave.letter.rule or BROKEN))
    return found


def _harm_of(resend: Resend, suffered: Sequence[Suffered]) -> str:
    """The harm nearest to the first delivery: what came of that was not recorded."""
    distances = {max(one.began_s - resend.taken_at_s, resend.taken_at_s - one.ended_s, 0): one for one in suffered}
    nearest = min(distances, default=math.inf)
    return distances[nearest].harm.name if nearest < _AFTERMATH_S else NO_HARM


async def _stray_keys(redis: Client) -> AsyncIterator[str]:
    kept = _kept()
    async for found in redis.scan_iter(count=1000):
        key = found.decode().removeprefix(redis.names.prefix)
        if _is_like(key, _AT_REST_NEVER) or (not _is_like(key, kept) and await redis.ttl(found) == -1):
            yield key


def _is_like(key: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(key, glob) for glob in globs)


def _kept() -> list[str]:
    """Globs of the keys that never expire, as broker/keys.py tells them."""
    row = re.compile(r"^ {4}(\S+) +(?:string|hash|set|zset|stream|list) .* {2,}never\b.*$", re.MULTILINE)
    rows = row.findall(keys.__doc__ or "")
    return [re.sub(r"{\w+}", "*", name) for name in rows if not name.startswith("job:")]
