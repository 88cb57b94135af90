"""Reads, annotates and discards dead letters by their ids. All functions raise BrokerError."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

from broker.dead_letters.dead_letter import MAX_NOTES, DeadLetter, Note, StoredDeadLetter, unreadable_letter
from broker.dead_letters.packing import READING, REMOVING, unpacked_body, unpacked_letter, unpacked_notes
from broker.monitoring.audit import AUDIT, AuditEntry, packed
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import BASE, COUNTERS, Part, Script
from runtime.ids import is_id

OWNERSHIP = Part("dead_letters/actions/ownership", parts=(BASE,))
NOTES = Part("dead_letters/notes", parts=(BASE,))

_READ_DEAD_LETTERS = Script(
    "dead_letters/read_dead_letters",
    parts=(READING,),
    keys=("dead_index",),
    args=("with_bodies: number",),
    rest="ids",
)
_ANNOTATE = Script(
    "dead_letters/annotate",
    parts=(NOTES, AUDIT),
    keys=("audit",),
    args=("most_notes: number", "audit_entry", "note: packed"),
    rest="ids",
)
_DISCARD = Script(
    "dead_letters/discard",
    parts=(REMOVING, OWNERSHIP, COUNTERS),
    keys=("dead_index", "action:action"),
    args=("action", "owner", "counter", "letters: packed"),
)


class Work(Struct, frozen=True):
    """The bulk action that a step belongs to, and the process that owns it.

    Both are empty for a step without a bulk action. See broker/dead_letters/stored_actions.py.
    """

    action: str = ""
    owner: str = ""


NO_ACTION = Work()


class NotMineError(Exception):
    """The bulk action was stopped, or another process has taken it over. The step changed nothing."""


class DeadLetterRow(Struct, frozen=True):
    """The result of reading one dead letter."""

    id: str
    at_ms: int
    """When the letter was written, in ms since 1970 by the clock of Redis; 0 if that is not known."""

    letter: DeadLetter | None
    """The letter, or None if it no longer exists. See `DeadLetter.is_unreadable` for one that cannot be read."""

    body: bytes = b""
    """The body, if it was requested."""

    notes: tuple[Note, ...] = ()
    dictionary: str = ""
    """The id of the dictionary that the letter is compressed with; empty for a letter without a dictionary."""

    dimensions_id: str = ""
    """The id of its dimensions, or `MIXED`."""


async def get(redis: Client, letter_id: str) -> StoredDeadLetter | None:
    """Return one dead letter with its body, or None if it does not exist."""
    return (await stored_letters(redis, [letter_id]))[0]


async def stored_letters(redis: Client, ids: Sequence[str]) -> list[StoredDeadLetter | None]:
    """Return dead letters with their bodies, in the order of the ids; None for each that does not exist."""
    rows = await read_rows(redis, ids, with_bodies=True)
    return [StoredDeadLetter(row.letter, row.body, (), row.notes) if row.letter else None for row in rows]


async def letters(redis: Client, ids: Sequence[str]) -> list[DeadLetter | None]:
    """Return dead letters without their bodies, in the order of the ids; None for each that does not exist."""
    return [row.letter for row in await read_rows(redis, ids)]


async def read_rows(redis: Client, ids: Sequence[str], *, with_bodies: bool = False) -> list[DeadLetterRow]:
    """Return dead letters with their notes and times, in the order of the ids, each with or without its body."""
    return await _read_dead_letters(redis, ids, with_bodies=with_bodies)


async def existing(redis: Client, ids: Sequence[str]) -> set[str]:
    """Return those of the ids that dead letters have."""
    named = [letter_id for letter_id in ids if is_id(letter_id)]
    if not named:
        return set()
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for letter_id in named:
                pipe.zscore(redis.names.dead_index, letter_id)
            times = await pipe.execute()
    return {letter_id for letter_id, at_ms in zip(named, times, strict=True) if at_ms is not None}


async def newest(redis: Client, *, count: int = 50) -> list[DeadLetter]:
    """Return up to `count` dead letters, newest first."""
    with translated():
        ids = await redis.zrevrange(redis.names.dead_index, 0, count - 1)
    named = [name.decode("utf-8", "replace") for name in ids]
    return [letter for letter in await letters(redis, named) if letter]


async def annotate(redis: Client, ids: Sequence[str], note: Note, *, audit_entry: AuditEntry | None = None) -> int:
    """Add a note to dead letters. Returns how many of them exist.

    Safe to repeat: the same note, and its audit entry, is stored once.
    """
    named = [letter_id for letter_id in ids if is_id(letter_id)]
    with translated():
        return int(
            await _ANNOTATE(
                redis,
                ids=named,
                note=note,
                most_notes=MAX_NOTES,
                audit_entry=packed(audit_entry) if audit_entry else "",
            )
        )


async def discard(
    redis: Client,
    letters: Iterable[DeadLetter],
    *,
    work: Work = NO_ACTION,
    counter: Literal["discarded", "purged", "forgotten"] = "discarded",
) -> int:
    """Delete dead letters. Returns how many still existed.

    counter: which counter of `stats:total` to increase. Raises NotMineError.
    """
    named = [(letter.id, letter.job) for letter in letters]
    with translated():
        return done(await _DISCARD(redis, action=work.action, owner=work.owner, counter=counter, letters=named))


async def count(redis: Client) -> int:
    """Return how many dead letters exist now."""
    with translated():
        return int(await redis.zcard(redis.names.dead_index))


def done(reply: Any) -> int:
    """Return the count in the reply of a step that belongs to a bulk action. Raises NotMineError."""
    if int(reply) < 0:
        raise NotMineError
    return int(reply)


def rows(reply: Any) -> list[DeadLetterRow]:
    """Read the rows that `read_letters` of broker/dead_letters/lua/reading.lua returned."""
    packed_rows, flat = reply
    dictionaries = {_text(flat[i]): flat[i + 1] for i in range(0, len(flat), 2)}
    return [_row(row, dictionaries) for row in packed_rows]


async def _read_dead_letters(redis: Client, ids: Sequence[str], *, with_bodies: bool) -> list[DeadLetterRow]:
    """Return a row for each id, in the same order."""
    # A text that is not an id could name another key, so it is never sent to Redis.
    named = [letter_id for letter_id in ids if is_id(letter_id)]
    with translated():
        found = rows(await _READ_DEAD_LETTERS(redis, ids=named, with_bodies=int(with_bodies))) if named else []
    by_id = {row.id: row for row in found}
    return [by_id.get(letter_id) or DeadLetterRow(letter_id, 0, None) for letter_id in ids]


def _row(row: list[bytes], dictionaries: dict[str, bytes]) -> DeadLetterRow:
    name, died, letter, dictionary, notes, body, kind = row
    letter_id, at_ms, used = _text(name), parse_int(died), _text(dictionary)
    if not letter:
        return DeadLetterRow(letter_id, at_ms, None)
    try:
        return DeadLetterRow(
            letter_id,
            at_ms,
            unpacked_letter(letter, used, dictionaries),
            unpacked_body(body, used, dictionaries) if body else b"",
            unpacked_notes(notes),
            used,
            kind.decode(),
        )
    except Exception as error:  # noqa: BLE001 - the other letters of the page can still be shown
        lost = unreadable_letter(letter_id, at_ms, error)
        return DeadLetterRow(letter_id, at_ms, lost, dictionary=used, dimensions_id=_text(kind))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
