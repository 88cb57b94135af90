"""Finds dead letters by time, by filter dimensions and by search terms. All functions raise BrokerError."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from broker.dead_letters.dead_letter import Dimensions
from broker.dead_letters.packing import BLOCKS, FINDING, READING
from broker.dead_letters.store import DeadLetterRow, rows
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import Script

T = TypeVar("T")

MIXED = "mixed"
"""The id that dead letters get whose dimensions are not indexed, because `keys.DIMENSIONS_MAX` combinations exist.

To filter these letters, each of them must be read.
"""

# A script blocks Redis for all other clients while it runs.
_AT_A_TIME = 200
"""The number of combinations that one script call reads."""

_decode_dimensions = msgspec.msgpack.Decoder(Dimensions).decode


_OLDER = Script(
    "dead_letters/older",
    parts=(READING,),
    keys=("dead_index",),
    args=("at_ms", "below", "most: number", "all: number"),
    rest="kinds",
)
_SEARCH = Script(
    "dead_letters/terms/search",
    parts=(FINDING, BLOCKS, READING),
    keys=("dead_find_key",),
    args=("term", "below", "most: number"),
)
_DIMENSIONS = Script(
    "dead_letters/dimensions", keys=("dead_dimensions",), args=("since_ms", "until_ms"), rest="kinds"
)
_HOURLY_COUNTS = Script(
    "dead_letters/hourly_counts",
    keys=("set_aside",),  # names the partition: the keys that it reads are those of a list
    args=("from_ms: number", "step_ms: number", "steps: number"),
    rest="kinds",
)


class Position(Struct, frozen=True):
    """The position of a dead letter in the order of time. It stays valid when the letter is removed."""

    at_ms: int
    """When the letter was written, by the clock of Redis."""

    id: str


NEWEST = Position(2**53 - 1, "")


class Combination(Struct, frozen=True):
    """The dead letters of one time span that have the same dimensions."""

    id: str
    dimensions: Dimensions
    count: int
    first_ms: int
    last_ms: int
    newest: str
    """The id of the newest one."""


class Combinations(Struct, frozen=True):
    """All dead letters of one time span, grouped by their dimensions."""

    combinations: list[Combination]
    mixed: int
    """The number of letters whose dimensions are not indexed: see `MIXED`."""


async def read_older(
    redis: Client, than: Position, *, count: int, kinds: Sequence[str] | None = None
) -> list[DeadLetterRow]:
    """Return up to `count` dead letters older than a position, newest first; [] after the last one.

    kinds: ids of dimensions; by default all dead letters are read. A letter that is added or removed between two
    calls neither repeats nor hides another.
    """
    if kinds is not None and not kinds:
        return []
    with translated():
        return rows(
            await _OLDER(
                redis, at_ms=than.at_ms, below=than.id, most=count, all=int(kinds is None), kinds=kinds or ()
            )
        )


async def search(redis: Client, term: str, *, below: str = "", count: int) -> list[DeadLetterRow]:
    """Return up to `count` dead letters that have a search term, newest first.

    term: as the provider builds it. below: the id of the last letter of the previous page; empty for the first.
    """
    with translated():
        return rows(await _SEARCH(redis, term=term, below=below, most=count))


async def read_combinations(redis: Client, *, since_ms: int = 0, until_ms: int = 0) -> Combinations:
    """Return all combinations of dimensions whose letters died between two times, both included.

    since_ms, until_ms: ms since 1970. The default 0 means no limit.
    """
    since, until = since_ms or "-inf", until_ms or "+inf"
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.hkeys(redis.names.dead_dimensions)
            pipe.zcount(redis.names.dead_by + MIXED, since, until)
            names, mixed = await pipe.execute()
        found = [
            row
            for portion in _portions(names)
            for row in await _DIMENSIONS(redis, since_ms=since, until_ms=until, kinds=portion)
        ]
    return Combinations([combination for row in found if (combination := _combination(*row))], int(mixed))


async def hourly_counts(
    redis: Client, kinds: Sequence[str], *, from_ms: int, step_ms: int, steps: int
) -> list[list[int]]:
    """Return, for each combination of dimensions, how many letters died in each of `steps` consecutive spans.

    kinds: ids of dimensions. The first span starts at `from_ms` (ms since 1970), and each lasts `step_ms`.
    """
    with translated():
        return [
            row
            for portion in _portions(kinds)
            for row in await _HOURLY_COUNTS(redis, from_ms=from_ms, step_ms=step_ms, steps=steps, kinds=portion)
        ]


async def new_groups(redis: Client, *, since_ms: int) -> list[tuple[str, int]]:
    """Return (fingerprint, ms since 1970) of the failure groups that are new since a time, the oldest first.

    Redis remembers the last 1,000 new groups of the last week.
    """
    with translated():
        groups = await redis.zrangebyscore(redis.names.dead_news, f"({since_ms}", "+inf", withscores=True)
    return [(name.decode("utf-8", "backslashreplace"), parse_int(at_ms)) for name, at_ms in groups]


async def closed_ms(redis: Client) -> int:
    """Return a time in ms since 1970 at or before which only an import can still add dead letters.

    Dead letters get their time from the clock of Redis. This waits until that clock has moved on by one ms.
    """
    last = now = await ask_ms(redis)
    while now <= last:
        await asyncio.sleep(0.001)
        last, now = min(last, now), await ask_ms(redis)  # it may have been set back
    return last


def _portions(names: Sequence[T]) -> list[Sequence[T]]:
    return [names[start : start + _AT_A_TIME] for start in range(0, len(names), _AT_A_TIME)]


def _combination(
    name: bytes, dimensions: bytes, count: int, first: bytes, last: bytes, newest: bytes
) -> Combination | None:
    """Return None if the dimensions cannot be read."""
    try:
        return Combination(
            name.decode(),
            _decode_dimensions(dimensions),
            int(count),
            parse_int(first),
            parse_int(last),
            newest.decode(),
        )
    except (ValueError, RecursionError):
        return None
