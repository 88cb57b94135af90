"""Imports dead letters, and finds the oldest ones. All functions raise BrokerError."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from broker.dead_letters.dead_letter import StoredDeadLetter
from broker.dead_letters.packing import ADDING, packed
from broker.dead_letters.store import existing
from broker.queue import jobs
from broker.redis import leases
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script

_IMPORT_DEAD_LETTERS = Script(
    "dead_letters/import_dead_letters",
    parts=(FULL, COUNTERS, ADDING),
    keys=("dead_index",),
    args=("rows: packed",),
    rest="blobs",
)

_ID = re.compile(r"[0-9a-z]+")

_encode = msgspec.msgpack.Encoder().encode


class ExportedDeadLetter(Struct, frozen=True):
    """A dead letter with everything that Redis stores about it."""

    stored_letter: StoredDeadLetter
    at_ms: int
    """The time of death in ms since 1970, by the clock of the Redis where the letter was first stored."""

    settled: tuple[int, ...] = ()
    """If the letter is a job that no worker could run: the indices of its notifications that are settled.

    A replay does not send them again.
    """


class Oldest(Struct, frozen=True):
    """The oldest dead letters of one partition."""

    too_old: int
    total: int
    letters: list[tuple[str, int]]
    """The name and the time of death of each, the oldest first."""


async def import_dead_letters(redis: Client, letters: Sequence[ExportedDeadLetter]) -> int:
    """Add dead letters from a file, all or none. Returns how many did not exist yet. Safe to repeat."""
    blobs = Blobs()
    rows = []
    for exported in letters:
        letter, notes = exported.stored_letter.letter, exported.stored_letter.notes
        rows.append(
            (
                packed(exported.stored_letter, blobs.place),
                str(exported.at_ms),
                letter.bodies if letter.stage == "intake" else 0,
                blobs.place(_encode(notes)) if notes else 0,
                letter.job,
                jobs.size_of(letter.job),
                exported.settled,
            )
        )
    with translated():
        return int(await _IMPORT_DEAD_LETTERS(redis, rows=rows, blobs=blobs.all))


async def imported_before(redis: Client, letters: Sequence[ExportedDeadLetter]) -> set[str]:
    """Return the ids of those letters that exist: as a dead letter, or as the job that a replay has queued."""
    known = await existing(redis, [exported.stored_letter.letter.id for exported in letters])
    queued = [letter for exported in letters if (letter := exported.stored_letter.letter).job]
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for letter in queued:
                pipe.exists(redis.names.job + letter.job)
            are_there = await pipe.execute() if queued else []
    return known | {letter.id for letter, is_there in zip(queued, are_there, strict=True) if is_there}


async def oldest(redis: Client, *, before_ms: int, count: int) -> Oldest:
    """Return how many dead letters died before a time, how many exist, and the `count` oldest.

    before_ms: ms since 1970; 0 for none.
    """
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.zcount(redis.names.dead_index, "-inf", f"({before_ms}")
            pipe.zcard(redis.names.dead_index)
            pipe.zrange(redis.names.dead_index, 0, count - 1, withscores=True)
            too_old, total, first = await pipe.execute()
    rows = [(name.decode("utf-8", "surrogateescape"), parse_int(at_ms)) for name, at_ms in first]
    return Oldest(too_old, total, rows)


async def without_unreadable(redis: Client, names: Sequence[str]) -> list[str]:
    """Return the names in the index that are ids. The others are removed, or they would be the oldest for ever."""
    unreadable = [name for name in names if not _ID.fullmatch(name)]
    if unreadable:
        with translated():
            await redis.zrem(redis.names.dead_index, *unreadable)
    return [name for name in names if _ID.fullmatch(name)]


async def take_lease(redis: Client, owner: str, *, lasts_ms: int) -> bool:
    """Let `owner` alone remove old dead letters for `lasts_ms`; 0 gives the lease back.

    Returns False if another process has the lease.
    """
    return await leases.take_lease(redis, redis.names.purging, owner=owner, lasts_ms=lasts_ms)
