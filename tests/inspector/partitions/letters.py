"""Dead letters in several partitions, for the tests in this folder."""

from __future__ import annotations

import time
from collections.abc import Sequence

from broker import dead_letters
from broker.dead_letters import ExportedDeadLetter, StoredDeadLetter, died_at_intake, died_at_notify
from broker.monitoring import stats
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from launcher.composition.dead_letter_terms import buckets, terms
from sources.settings import Settings as SourceSettings
from tests.inspector.stack import sample

SOURCES = {"voucherify": SourceSettings()}
TERMS, BUCKETS = terms(SOURCES), buckets(SOURCES)
NOW_MS = time.time_ns() // 1_000_000


def body(number: int) -> RawBody:
    return RawBody(NOW_MS, "voucherify", "", sample(number))


def broken(number: int) -> StoredDeadLetter:
    """Return the letter of a body with a search term of its own."""
    return died_at_intake(
        body(number),
        reason="undecodable",
        error=f"no event in {number}",
        error_class="DecodeError",
        event="order.paid" if number % 2 else "order.created",
        terms=("all", f"n{number}"),
    )


def refused(number: int) -> StoredDeadLetter:
    """Return the letter of a notification, with the terms that a worker gives it."""
    notification = Notification(f"{number:032x}", "to-crm", "order.paid", body(number))
    letter = died_at_notify(notification, "crm", reason="permanent", error="answered 400", error_class="HttpError")
    return StoredDeadLetter(letter.letter, letter.body, tuple(TERMS(letter)))


async def add(redis: Client, letters: Sequence[StoredDeadLetter], at_ms: Sequence[int]) -> list[str]:
    """Add letters that died at these times. Returns their ids."""
    exported = [ExportedDeadLetter(letter, at) for letter, at in zip(letters, at_ms, strict=True)]
    await dead_letters.import_dead_letters(redis, exported)
    return [letter.letter.id for letter in letters]


async def spread(partitions: Partitions, count: int, *, apart_ms: int = 10) -> list[str]:
    """Add letters to all partitions in turn, the oldest first. Returns their ids, the newest first."""
    ids = []
    for number in range(count):
        redis = partitions[number % len(partitions)]
        ids += await add(redis, [broken(number)], [NOW_MS - 60_000 + number * apart_ms])
    return ids[::-1]


async def in_each(partitions: Partitions) -> list[int]:
    """Return how many dead letters each partition has."""
    return [await dead_letters.count(redis) for redis in partitions]


async def assert_sums_hold(partitions: Partitions) -> None:
    for redis in partitions:
        totals = await stats.read_totals(redis)
        assert totals.bodies_add_up() and totals.notifications_add_up(), redis.partition
