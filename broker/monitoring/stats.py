"""Counters: totals that add up, and the same by the minute for rates and plots."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from broker.redis import clock, keys
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole


class Totals(Struct, frozen=True):
    """The terms of both sums since the beginning, and what else is counted."""

    accepted: int = 0
    processed: int = 0
    duplicate: int = 0
    dead_at_intake: int = 0
    queued: int = 0
    created: int = 0
    sent: int = 0
    skipped: int = 0
    dead: int = 0
    waiting: int = 0
    digested: int = 0
    """Events that went into digests; each digest is one notification."""

    died: int = 0
    """Dead letters that arose, whatever became of them since."""

    retried: int = 0
    """Times that a notification went into a later job to be tried again."""

    replayed: int = 0
    """Dead letters that were handed back. They are no longer counted as dead_at_intake or dead."""

    discarded: int = 0
    """Dead letters that a person threw away. They stay counted as dead_at_intake or dead."""

    purged: int = 0
    """Dead letters removed for their age or number. They stay counted as dead_at_intake or dead."""

    forgotten: int = 0
    """What was removed because a person wanted to be forgotten: dead letters, which stay counted so too; webhooks
    in the queue, which count as dead_at_intake; notifications that waited, which count as dead."""

    imported: int = 0
    """Dead letters imported from a file. Each counts again as accepted and dead_at_intake, or created and dead."""

    edited: int = 0
    """Copies of dead letters that a person handed back with another body; each is accepted, or created, anew."""

    retried_on_redelivery: int = 0
    """Webhooks that had been seen before, and brought dead notifications back. They are counted as processed."""

    alerts: int = 0
    """Alerts that people were told of."""

    drift: int = 0
    """Deviations from the models, in samples of webhooks."""

    refused: dict[str, int] = {}
    """Requests by HTTP status."""

    def bodies_add_up(self) -> bool:
        """accepted = processed + duplicate + dead_at_intake + queued."""
        return self.accepted == self.processed + self.duplicate + self.dead_at_intake + self.queued

    def notifications_add_up(self) -> bool:
        """created = sent + skipped + dead + waiting."""
        return self.created == self.sent + self.skipped + self.dead + self.waiting


class Point(Struct, frozen=True):
    """What was counted in some minutes that follow each other."""

    at_ms: int
    """When the first of them began, ms since 1970."""

    seconds: int
    """How much of them is over: less than their length where one is running."""

    accepted: int
    sent: int
    duplicate: int
    dead: int
    """At intake and at notify; less those replayed in that minute, but not below 0."""


_REFUSED = "refused:"
_POINT_FIELDS = ["accepted", "sent", "duplicate", "dead_at_intake", "dead"]


async def read_totals(redis: Client) -> Totals:
    """All counters in one read, so that they belong together. Raises BrokerError."""
    with translated():
        found: dict[bytes, bytes] = await redis.hgetall(redis.names.stats_total)  # type: ignore[misc]
    counters = {key.decode(errors="backslashreplace"): whole(value) for key, value in found.items()}
    refused = {key[len(_REFUSED) :]: value for key, value in counters.items() if key.startswith(_REFUSED)}
    terms = {name: counters.get(name, 0) for name in Totals.__struct_fields__ if name != "refused"}
    return Totals(**terms, refused=refused)


async def read_died(redis: Client, *, minutes: int) -> int:
    """Dead letters that arose in the last so many minutes, with the running one. Raises BrokerError."""
    with translated():
        running = int((await redis.time())[0]) // 60
        async with redis.pipeline(transaction=False) as pipe:
            for minute in range(running - minutes + 1, running + 1):
                pipe.hget(f"{redis.names.stats_minute}{minute}", "died")
            return sum(whole(died) for died in await pipe.execute())


async def add_refused(redis: Client, by_status: Mapping[str, int]) -> None:
    """Count refused requests by status. Raises BrokerError. Told apart from the sums: no body was taken."""
    minute = f"{redis.names.stats_minute}{await clock.now_ms(redis) // 60_000}"
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            for status, count in by_status.items():
                pipe.hincrby(redis.names.stats_total, _REFUSED + status, count)
                pipe.hincrby(minute, _REFUSED + status, count)
            pipe.expire(minute, keys.STATS_TTL_S)
            await pipe.execute()


async def read_history(redis: Client, *, points: int, minutes: int) -> list[Point]:
    """The last `points` spans of so many minutes each, up to the running minute, in one read. Raises BrokerError.

    Spans begin at multiples of their length, so that one that is over does not change. Nothing is known of what is
    more than two days ago.
    """
    with translated():
        now_s = int((await redis.time())[0])
        newest = now_s // 60
        first = max((newest // minutes - points + 1) * minutes, newest - keys.STATS_TTL_S // 60)
        async with redis.pipeline(transaction=False) as pipe:
            for minute in range(first, newest + 1):
                pipe.hmget(f"{redis.names.stats_minute}{minute}", _POINT_FIELDS)
            rows: list[list[bytes | None]] = await pipe.execute()
    spans: dict[int, list[list[int]]] = {}
    for minute, row in enumerate(rows, start=first):
        spans.setdefault(minute // minutes * minutes, []).append([whole(value) for value in row])
    return [_point(start, span, now_s) for start, span in spans.items()]


def _point(start: int, span: list[list[int]], now_s: int) -> Point:
    accepted, sent, duplicate = (sum(row[place] for row in span) for place in range(3))
    dead = sum(max(0, dead_at_intake) + max(0, failed) for *_, dead_at_intake, failed in span)
    seconds = min(60 * len(span), now_s - 60 * start)
    return Point(start * 60_000, seconds, accepted, sent, duplicate, dead)
