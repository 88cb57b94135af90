"""Finding dead letters: by time, by what they have in common, by what people search for. All raise BrokerError."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from broker.dead_letters.dead_letter import Dimensions
from broker.dead_letters.store import Row, rows
from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated
from broker.redis.numbers import whole

T = TypeVar("T")

MIXED = "mixed"
"""The dimensions of letters beyond keys.FACETS_MAX kinds: theirs must be looked at one by one."""

_AT_A_TIME = 200
"""Kinds that are looked at in one step: Redis serves nobody else meanwhile."""

_decode_dimensions = msgspec.msgpack.Decoder(Dimensions).decode


class Place(Struct, frozen=True):
    """Where a dead letter stands among the others, whether it is still there or not."""

    at_ms: int
    """When it was written, by the clock of Redis."""

    id: str


NEWEST = Place(2**53 - 1, "")


class Kind(Struct, frozen=True):
    """The dead letters of some dimensions, in a span of time."""

    id: str
    dimensions: Dimensions
    count: int
    first_ms: int
    last_ms: int
    newest: str
    """Id of the newest."""


class Kinds(Struct, frozen=True):
    """All dead letters of a span of time, by their dimensions."""

    kinds: list[Kind]
    mixed: int
    """Letters whose dimensions must be looked at one by one."""


async def older(redis: Client, than: Place, *, count: int, kinds: Sequence[str] | None = None) -> list[Row]:
    """The next dead letters below a place, newest first, in all or in some kinds; [] at the end.

    What comes or goes meanwhile neither repeats nor hides any other.
    """
    if kinds is not None and not kinds:
        return []
    with translated():
        return rows(await scripts.OLDER(redis, than.at_ms, than.id, count, *(kinds or ())))


async def search(redis: Client, term: str, *, below: str = "", count: int) -> list[Row]:
    """The next dead letters with a term (as a source's kind makes them), newest first, below an id."""
    with translated():
        return rows(await scripts.SEARCH(redis, term, below, count))


async def read_kinds(redis: Client, *, since_ms: int = 0, until_ms: int = 0) -> Kinds:
    """What kinds there are. until_ms: 0 for no end; both ends count."""
    span = since_ms or "-inf", until_ms or "+inf"
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.hkeys(redis.names.dead_dimensions)
            pipe.zcount(redis.names.dead_by + MIXED, *span)
            names, mixed = await pipe.execute()
        found = [row for some in _portions(names) for row in await scripts.DIMENSIONS(redis, *span, *some)]
    return Kinds([kind for row in found if (kind := _kind(*row))], int(mixed))


async def hourly_counts(
    redis: Client, kinds: Sequence[str], *, from_ms: int, step_ms: int, steps: int
) -> list[list[int]]:
    """For each kind, how many of its letters died in each of `steps` spans of `step_ms` from `from_ms` on."""
    with translated():
        return [
            row
            for some in _portions(kinds)
            for row in await scripts.HOURLY_COUNTS(redis, from_ms, step_ms, steps, *some)
        ]


async def news(redis: Client, *, since_ms: int) -> list[tuple[str, int]]:
    """(fingerprint, ms) of the groups that were new since a time, the oldest first; a week and 1,000 are kept."""
    with translated():
        found = await redis.zrangebyscore(redis.names.dead_news, f"({since_ms}", "+inf", withscores=True)
    return [(name.decode("utf-8", "backslashreplace"), whole(at_ms)) for name, at_ms in found]


async def closed_ms(redis: Client) -> int:
    """Now, as ms since 1970: no dead letter will ever be added at or before this time, unless by an import.

    Waits until the clock of Redis, which dead letters have their places from, has moved on by one ms.
    """
    last = now = await ask_ms(redis)
    while now <= last:
        await asyncio.sleep(0.001)
        last, now = min(last, now), await ask_ms(redis)  # it may have been set back
    return last


def _portions(names: Sequence[T]) -> list[Sequence[T]]:
    return [names[start : start + _AT_A_TIME] for start in range(0, len(names), _AT_A_TIME)]


def _kind(name: bytes, dimensions: bytes, count: int, first: bytes, last: bytes, newest: bytes) -> Kind | None:
    """None where its dimensions cannot be read."""
    try:
        return Kind(
            name.decode(), _decode_dimensions(dimensions), int(count), whole(first), whole(last), newest.decode()
        )
    except (ValueError, RecursionError):
        return None
