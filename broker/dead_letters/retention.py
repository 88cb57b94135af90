"""Imports dead letters, and finds those that are too old or too many. All functions raise BrokerError."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from broker.dead_letters.dead_letter import StoredDeadLetter
from broker.dead_letters.packing import packed
from broker.queue import jobs
from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripts import Blobs

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
        return int(await scripts.IMPORT_DEAD_LETTERS(redis, _encode(rows), *blobs.all))


async def due(redis: Client, *, before_ms: int, stay: int, count: int) -> Due:
    """Return the dead letters that are too old or too many.

    before_ms: letters that died earlier are too old; 0 for no limit. stay: how many of the newest letters stay; 0
    for no limit. count: how many ids to return.
    """
    with translated():
        total, *ids = await scripts.DUE(redis, before_ms, stay, count)
    return Due(int(total), [name.decode("utf-8", "backslashreplace") for name in ids])


async def take_lease(redis: Client, owner: str, *, lasts_ms: int) -> bool:
    """Let `owner` alone remove old dead letters for `lasts_ms`; 0 gives the lease back.

    Returns False if another process has the lease.
    """
    with translated():
        return bool(await scripts.TAKE_LEASE(redis, owner, lasts_ms))
