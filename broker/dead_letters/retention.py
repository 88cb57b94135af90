"""Imports dead letters, and finds those that are too old or too many. All functions raise BrokerError."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from broker.dead_letters.dead_letter import StoredDeadLetter
from broker.dead_letters.packing import ADDING, packed
from broker.queue import jobs
from broker.redis import leases
from broker.redis.client import Client
from broker.redis.errors import translated
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


class Due(Struct, frozen=True):
    """The dead letters that are too old or too many."""

    count: int
    ids: list[str]
    """The ids of the oldest ones."""


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


async def due(redis: Client, *, before_ms: int, stay: int, count: int) -> Due:
    """Return the dead letters that are too old or too many.

    before_ms: letters that died earlier are too old; 0 for no limit. stay: how many of the newest letters stay; 0
    for no limit. count: how many ids to return.
    """
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.zcount(redis.names.dead_index, "-inf", f"({before_ms}")
            pipe.zcard(redis.names.dead_index)
            pipe.zrange(redis.names.dead_index, 0, count - 1)
            too_old, total, oldest = await pipe.execute()
        due_count = max(too_old, total - stay if stay else 0)
        names = [name.decode("utf-8", "surrogateescape") for name in oldest[:due_count]]
        unreadable = [name for name in names if not _ID.fullmatch(name)]
        if unreadable:  # or else they would be the oldest for ever
            await redis.zrem(redis.names.dead_index, *unreadable)
    return Due(due_count, [name for name in names if _ID.fullmatch(name)])


async def take_lease(redis: Client, owner: str, *, lasts_ms: int) -> bool:
    """Let `owner` alone remove old dead letters for `lasts_ms`; 0 gives the lease back.

    Returns False if another process has the lease.
    """
    return await leases.take_lease(redis, redis.names.purging, owner=owner, lasts_ms=lasts_ms)
