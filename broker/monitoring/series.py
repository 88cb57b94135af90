"""Counts by channel and by source over time, for plots. All functions raise BrokerError.

Each worker adds what it counted in the last seconds, so that no step costs more. Therefore these counts are about
right and no more: the last seconds of a killed worker are lost, and what it adds counts twice if an answer is
lost. Nothing depends on them. They are in the control partition: a hash series:{minutes}:{number} for each
span of time, with fields such as `channel:sent:crm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int

QUEUE_AGE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
LATENCY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43_200)
"""The inclusive upper bounds of the buckets that count times, in seconds. A last bucket is above them."""

KEPT_S: Mapping[int, int] = {1: 2 * 3600, 5: 7 * 3600, 15: 26 * 3600}
"""For each length of a span, in minutes, how long its counts are kept."""

_MINUTE_MS = 60_000


class Series(NamedTuple):
    """The name of a count."""

    kind: str
    """The kind of name: `channel` or `source`."""

    what: str
    """`sent` or `dead`; or the number of a bucket, as in `latency3` or `age0`."""

    name: str
    """The name of the channel or source."""


class Span(Struct, frozen=True):
    """The counts of one span of consecutive minutes."""

    at_ms: int
    """When the span began, in ms since 1970."""

    seconds: int
    """How many seconds of the span are over. The current span is shorter than the others."""

    counts: Mapping[Series, int]


async def add(redis: Client, counts: Mapping[Series, int], *, at_ms: int) -> None:
    """Add counts of a moment. redis: the control partition."""
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            for minutes, kept_s in KEPT_S.items():
                key = _key(redis, minutes, at_ms // (_MINUTE_MS * minutes))
                for series, count in counts.items():
                    pipe.hincrby(key, ":".join(series), count)
                pipe.expire(key, kept_s)
            await pipe.execute()


async def read(redis: Client, *, points: int, minutes: int) -> list[Span]:
    """Return the last `points` spans of `minutes` each, oldest first, the current one last.

    redis: the control partition. minutes: one of `KEPT_S`.
    """
    now_ms = await ask_ms(redis)
    length_ms = _MINUTE_MS * minutes
    numbers = range(now_ms // length_ms - points + 1, now_ms // length_ms + 1)
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for number in numbers:
                pipe.hgetall(_key(redis, minutes, number))
            found = await pipe.execute()
    return [
        Span(number * length_ms, min(60 * minutes, (now_ms - number * length_ms) // 1000), _counts(fields))
        for number, fields in zip(numbers, found, strict=True)
    ]


def share_within(counts: Sequence[int], bounds: Sequence[float], share: float) -> float | None:
    """Return the time in seconds within which a share of the values is; None without values.

    counts: how many values are in each bucket. Within a bucket they count as spread evenly, and those above all
    bounds as the last bound.
    """
    wanted, below = share * sum(counts), 0
    if not wanted:
        return None
    for place, count in enumerate(counts):
        if count and below + count >= wanted:
            low = bounds[place - 1] if place else 0.0
            high = bounds[min(place, len(bounds) - 1)]
            return low + (high - low) * (wanted - below) / count
        below += count
    return float(bounds[-1])


def _key(redis: Client, minutes: int, number: int) -> str:
    return f"{redis.names.series}{minutes}:{number}"


def _counts(fields: Mapping[bytes, bytes]) -> dict[Series, int]:
    counts: dict[Series, int] = {}
    for field, value in fields.items():
        words = field.decode("utf-8", "replace").split(":", 2)
        if len(words) == 3:
            counts[Series(*words)] = parse_int(value)
    return counts
