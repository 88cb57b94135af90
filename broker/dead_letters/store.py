"""Reading, noting and throwing away dead letters that are known by their ids. All raise BrokerError."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from broker.dead_letters.dead_letter import MAX_NOTES, DeadLetter, Note, StoredDeadLetter, unreadable_letter
from broker.dead_letters.packing import unpacked_body, unpacked_letter, unpacked_notes
from broker.monitoring.audit import AuditEntry, packed
from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import whole
from runtime.ids import is_id


class Work(Struct, frozen=True):
    """On behalf of which action a step is done, and in whose name: see broker/dead_letters/stored_actions.py."""

    action: str = ""
    owner: str = ""


NO_ACTION = Work()


class NotMineError(Exception):
    """The action was stopped, or somebody else goes on with it: nothing was done."""


class Row(Struct, frozen=True):
    """One letter as a read found it."""

    id: str
    at_ms: int
    """When it was written, by the clock of Redis; 0 where that is not known."""

    letter: DeadLetter | None
    """None where it has gone; one that cannot be read says so: see DeadLetter.is_unreadable."""

    body: bytes = b""
    """Only where bodies were asked for."""

    notes: tuple[Note, ...] = ()
    dictionary: str = ""
    """What it is packed against, "" for nothing."""

    kind: str = ""
    """Id of its dimensions, or MIXED."""


async def get(redis: Client, letter_id: str) -> StoredDeadLetter | None:
    """One dead letter, or None."""
    return (await stored_letters(redis, [letter_id]))[0]


async def stored_letters(redis: Client, ids: Sequence[str]) -> list[StoredDeadLetter | None]:
    """Dead letters with their bodies; None for each that is not there."""
    found = await _read_dead_letters(redis, "stored_letters", ids)
    return [StoredDeadLetter(row.letter, row.body, (), row.notes) if row.letter else None for row in found]


async def letters(redis: Client, ids: Sequence[str]) -> list[DeadLetter | None]:
    """Dead letters without their bodies; None for each that is not there."""
    return [row.letter for row in await rows_of(redis, ids)]


async def rows_of(redis: Client, ids: Sequence[str], *, with_bodies: bool = False) -> list[Row]:
    """The same with their notes, and when they died by the clock of Redis."""
    return await _read_dead_letters(redis, "stored_letters" if with_bodies else "letters", ids)


async def newest(redis: Client, *, count: int = 50) -> list[DeadLetter]:
    """Up to `count` dead letters, newest first."""
    with translated():
        ids = await redis.zrevrange(redis.names.dead_index, 0, count - 1)
    named = [name.decode("utf-8", "replace") for name in ids]
    return [letter for letter in await letters(redis, named) if letter]


async def annotate(redis: Client, ids: Sequence[str], note: Note, *, audit_entry: AuditEntry | None = None) -> int:
    """Note something on dead letters; how many of them are there. Told twice, it stands once, as does its deed."""
    named = [letter_id for letter_id in ids if is_id(letter_id)]
    with translated():
        return int(
            await scripts.ANNOTATE(
                redis, msgspec.msgpack.encode(note), MAX_NOTES, packed(audit_entry) if audit_entry else "", *named
            )
        )


async def discard(
    redis: Client,
    letters: Iterable[DeadLetter],
    *,
    work: Work = NO_ACTION,
    counter: Literal["discarded", "purged", "forgotten"] = "discarded",
) -> int:
    """Throw some away; how many were still there. Raises NotMineError."""
    named = [part for letter in letters for part in (letter.id, letter.job)]
    with translated():
        return done(await scripts.DISCARD(redis, work.action, work.owner, counter, *named))


async def how_many(redis: Client) -> int:
    """Dead letters now."""
    with translated():
        return int(await redis.zcard(redis.names.dead_index))


def done(reply: Any) -> int:
    """What a step that belongs to an action answered. Raises NotMineError."""
    if int(reply) < 0:
        raise NotMineError
    return int(reply)


def rows(reply: Any) -> list[Row]:
    """What `read_dead_letters` of broker/lua/dead_letters.lua returned."""
    found, flat = reply
    dictionaries = {_text(flat[i]): flat[i + 1] for i in range(0, len(flat), 2)}
    return [_row(row, dictionaries) for row in found]


async def _read_dead_letters(
    redis: Client, what: Literal["letters", "stored_letters"], ids: Sequence[str]
) -> list[Row]:
    """A row for each id; one that has not the form of an id, so that it might name another key, is not there."""
    named = [letter_id for letter_id in ids if is_id(letter_id)]
    with translated():
        found = rows(await scripts.READ_DEAD_LETTERS(redis, what, *named)) if named else []
    by_id = {row.id: row for row in found}
    return [by_id.get(letter_id) or Row(letter_id, 0, None) for letter_id in ids]


def _row(row: list[bytes], dictionaries: dict[str, bytes]) -> Row:
    name, died, letter, dictionary, notes, body, kind = row
    letter_id, at_ms, used = _text(name), whole(died), _text(dictionary)
    if not letter:
        return Row(letter_id, at_ms, None)
    try:
        return Row(
            letter_id,
            at_ms,
            unpacked_letter(letter, used, dictionaries),
            unpacked_body(body, used, dictionaries) if body else b"",
            unpacked_notes(notes),
            used,
            kind.decode(),
        )
    except Exception as error:  # noqa: BLE001 - whatever it is: the other letters of the page can be read
        lost = unreadable_letter(letter_id, at_ms, error)
        return Row(letter_id, at_ms, lost, dictionary=used, kind=_text(kind))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
