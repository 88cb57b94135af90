"""Dead letters that come from a file, and those that are too old or too many. All raise BrokerError."""

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


class Kept(Struct, frozen=True):
    """A dead letter with all that Redis keeps of it."""

    stored_letter: StoredDeadLetter
    at_ms: int
    """When it died, by the clock of the Redis where it did."""

    settled: tuple[int, ...] = ()
    """Of a job that nobody could run: the notifications that are done with, which a replay does not repeat."""


class Due(Struct, frozen=True):
    """Dead letters that are too old or too many."""

    count: int
    ids: list[str]
    """The oldest of them."""


async def bring_in(redis: Client, some: Sequence[Kept]) -> int:
    """Bury letters that died elsewhere or earlier, all or none; how many were not there. Safe to repeat."""
    blobs = Blobs()
    rows = []
    for kept in some:
        letter, notes = kept.stored_letter.letter, kept.stored_letter.notes
        rows.append(
            (
                packed(kept.stored_letter, blobs.place),
                str(kept.at_ms),
                letter.bodies if letter.stage == "intake" else 0,
                blobs.place(_encode(notes)) if notes else 0,
                letter.job,
                jobs.size_of(letter.job),
                kept.settled,
            )
        )
    with translated():
        return int(await scripts.IMPORT_DEAD_LETTERS(redis, _encode(rows), *blobs.all))


async def due(redis: Client, *, before_ms: int, stay: int, count: int) -> Due:
    """Letters from before a time (0: none is too old), and those beyond the newest `stay` (0: all stay)."""
    with translated():
        total, *ids = await scripts.DUE(redis, before_ms, stay, count)
    return Due(int(total), [name.decode("utf-8", "backslashreplace") for name in ids])


async def take_lease(redis: Client, owner: str, *, lasts_ms: int) -> bool:
    """Whether `owner` is the one who removes old letters for so long; 0 gives that back."""
    with translated():
        return bool(await scripts.TAKE_LEASE(redis, owner, lasts_ms))
