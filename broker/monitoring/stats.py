"""Counters: totals that add up, and counts by the minute for rates and plots."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from broker.redis import clock, keys
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import Script


class Totals(Struct, frozen=True):
    """All counters since the beginning, among them the terms of the two sums."""

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
    """Events that went into digests. Each digest is one notification."""

    died: int = 0
    """Dead letters that were ever added, including those that were replayed or removed since."""

    retried: int = 0
    """How often a notification was put into a later job to be tried again."""

    replayed: int = 0
    """Dead letters that were replayed. They are no longer counted as dead_at_intake or dead."""

    discarded: int = 0
    """Dead letters that a person discarded. They stay counted as dead_at_intake or dead."""

    purged: int = 0
    """Dead letters removed for their age or number. They stay counted as dead_at_intake or dead."""

    forgotten: int = 0
    """Items that were removed to erase a person. Dead letters stay counted as dead_at_intake or dead, webhooks in
    the queue count as dead_at_intake, and waiting notifications count as dead."""

    imported: int = 0
    """Dead letters imported from a file. Each counts again as accepted and dead_at_intake, or created and dead."""

    edited: int = 0
    """Copies of dead letters that were replayed with another body. Each counts again as accepted or created."""

    retried_on_redelivery: int = 0
    """Redelivered webhooks whose notifications were dead and are retried. They are counted as processed."""

    alerts: int = 0
    """Alerts that were sent."""

    drift: int = 0
    """Deviations from the models that samples of webhooks showed."""

    refused: dict[str, int] = {}
    """Refused requests, by HTTP status."""

    def bodies_add_up(self) -> bool:
        """Return True if accepted = processed + duplicate + dead_at_intake + queued."""
        return self.accepted == self.processed + self.duplicate + self.dead_at_intake + self.queued

    def notifications_add_up(self) -> bool:
        """Return True if created = sent + skipped + dead + waiting."""
        return self.created == self.sent + self.skipped + self.dead + self.waiting


class Point(Struct, frozen=True):
    """The counts of one span of consecutive minutes."""

    at_ms: int
    """When the span began, in ms since 1970."""

    seconds: int
    """How many seconds of the span are over. The current span is shorter than the others."""

    accepted: int
    sent: int
    duplicate: int
    dead: int
    """Dead letters at intake and at notify, minus those replayed in the same minute, but at least 0."""


_REFUSED = "refused:"
_HISTORY = Script(
    "monitoring/history", keys=("set_aside",), args=("points: number", "minutes: number", "kept: number")
)


async def read_totals(redis: Client) -> Totals:
    """Read all counters at one moment, so that the sums are consistent. Raises BrokerError."""
    with translated():
        return totals_of(await redis.hgetall(redis.names.stats_total))  # type: ignore[misc]


def totals_of(fields: Mapping[bytes, bytes]) -> Totals:
    """Return the counters in the fields of stats:total."""
    counters = {key.decode(errors="backslashreplace"): parse_int(value) for key, value in fields.items()}
    refused = {key[len(_REFUSED) :]: value for key, value in counters.items() if key.startswith(_REFUSED)}
    terms = {name: counters.get(name, 0) for name in Totals.__struct_fields__ if name != "refused"}
    return Totals(**terms, refused=refused)


async def add_refused(redis: Client, by_status: Mapping[str, int]) -> None:
    """Count refused requests by HTTP status. The sums do not contain them. Raises BrokerError."""
    minute = f"{redis.names.stats_minute}{await clock.now_ms(redis) // 60_000}"
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            for status, count in by_status.items():
                pipe.hincrby(redis.names.stats_total, _REFUSED + status, count)
                pipe.hincrby(minute, _REFUSED + status, count)
            pipe.expire(minute, keys.STATS_TTL_S)
            await pipe.execute()


async def read_history(redis: Client, *, points: int, minutes: int) -> list[Point]:
    """Return the counts of the last `points` spans of `minutes` each, up to the current minute.

    A span starts at a multiple of its length, so that a finished span does not change. Redis keeps the counts of
    two days, so older spans are missing. Raises BrokerError.
    """
    with translated():
        now_ms, spans = await _HISTORY(redis, points=points, minutes=minutes, kept=keys.STATS_TTL_S // 60)
    return [
        Point(first * 60_000, min(60 * length, now_ms // 1000 - 60 * first), *counts)
        for first, length, *counts in spans
    ]
