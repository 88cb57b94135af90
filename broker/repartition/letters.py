"""Moves dead letters of notifications to the home of their event, where a redelivery of the event looks for them.

Dead letters of bodies, digests and jobs stay where they are, unless their partition will be removed. Search terms
are stored as hashes with a key of their partition, so they are computed again from the body.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from broker.dead_letters import DeadLetter, StoredDeadLetter, read_rows
from broker.dead_letters.dead_letter import unreadable_letter
from broker.dead_letters.packing import ADDING, REMOVING, moved, unpacked_body, unpacked_letter
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, Blobs, Script
from broker.repartition import out
from broker.repartition.out import Row
from broker.repartition.plan import Plan, run_all
from broker.repartition.state import MOVING, checked

_KIND = "letter:"
_CHUNK = 500
"""Letters that are on their way at the same time."""

_READ = 50
"""Letters that one script reads or adds: they may be large."""

_TAKE_LETTER = Script(
    "repartition/take_letter",
    parts=(FULL, MOVING, REMOVING),
    keys=(
        "dead_index",
        "dead_to_retry",
        "repartition_out",
        "stats_total",
        "dead:letter",
        "dead_notes:letter",
        "done:job",
    ),
    args=("layout", "letter", "job", "counted: number"),
)
ADD_LETTERS = Script(
    "repartition/add_letters",
    parts=(FULL, MOVING, ADDING),
    keys=("dead_index", "dead_to_retry", "repartition_in", "stats_total"),
    args=("layout", "rows: packed"),
    rest="blobs",
)


class Fields(NamedTuple):
    """A letter that has left its partition, as take_letter.lua wrote it."""

    died_at: bytes
    letter: bytes
    dictionary_id: bytes
    dictionary: bytes
    notes: bytes
    body: bytes
    to_retry: bytes
    done: bytes
    counted: bytes


async def to_move(plan: Plan, source: Client) -> AsyncIterator[list[DeadLetter]]:
    """Yield the letters whose home is another partition, in chunks. Raises BrokerError."""
    chunk: list[DeadLetter] = []
    async for ids in _ids(source):
        chunk += [
            row.letter
            for row in await read_rows(source, ids, with_bodies=True)
            if row.letter is not None and _home_of(plan, source, row.letter, row.body) != source.partition
        ]
        if len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def move(plan: Plan, source: Client) -> None:
    """Move all letters whose home is another partition. Safe to repeat. Raises BrokerError, NotMovingError."""
    shared = {"layout": plan.layout_of(source), "counted": int(not plan.is_removed(source))}
    await deliver(plan, source)  # what an interrupted run has left
    async for letters in to_move(plan, source):
        await run_all(
            source, _TAKE_LETTER, [shared | {"letter": letter.id, "job": letter.job} for letter in letters]
        )
        await deliver(plan, source)


async def _ids(source: Client) -> AsyncIterator[list[str]]:
    chunk: list[str] = []
    with translated():
        async for name, _ in source.zscan_iter(source.names.dead_index, count=1000):
            chunk.append(name.decode("utf-8", "replace"))
            if len(chunk) == _READ:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


def _home_of(plan: Plan, source: Client, letter: DeadLetter, body: bytes) -> int:
    """Return where a letter belongs: the home of its event, or else the partition where it is, if that stays."""
    bucket = None if letter.is_unreadable else plan.bucket_of(StoredDeadLetter(letter, body))
    return plan.heir_of(source).partition if bucket is None else plan.new.home_of(bucket)


async def deliver(plan: Plan, source: Client) -> None:
    """Add the letters that have left the partition to their new homes. Raises BrokerError, NotMovingError."""
    delivered: list[Row] = []
    async for rows in out.read(source, _KIND, count=_READ):
        by_home: defaultdict[int, list[Row]] = defaultdict(list)
        for row in rows:
            stored_letter = _stored(row)
            by_home[_home_of(plan, source, stored_letter.letter, stored_letter.body)].append(row)
        for home, these in by_home.items():
            await _add(plan, plan.new[home], these)
        delivered += rows
    if delivered:
        await plan.confirm()
        await out.forget(source, _KIND, delivered)
        plan.report("dead letters", len(delivered))


async def _add(plan: Plan, target: Client, rows: Sequence[Row]) -> None:
    blobs = Blobs()
    planned = []
    for row in rows:
        stored_letter, fields = _stored(row), Fields(*row.fields)
        packed = moved(
            stored_letter.letter,
            plan.terms(stored_letter),
            blobs.place,
            letter_blob=fields.letter,
            body_blob=fields.body,
            dictionary_id=fields.dictionary_id.decode(),
            dictionary_blob=fields.dictionary,
        )
        planned.append(
            (
                packed,
                fields.died_at.decode(),
                blobs.place(fields.notes) if fields.notes else 0,
                int(fields.to_retry),
                stored_letter.letter.job,
                [int(index) for index in fields.done.split(b",") if index],
                int(fields.counted),
            )
        )
    with translated():
        checked(await ADD_LETTERS(target, layout=plan.layout, rows=planned, blobs=blobs.all))


def _stored(row: Row) -> StoredDeadLetter:
    fields = Fields(*row.fields)
    dictionary = fields.dictionary_id.decode()
    dictionaries = {dictionary: fields.dictionary}
    try:
        return StoredDeadLetter(
            unpacked_letter(fields.letter, dictionary, dictionaries),
            unpacked_body(fields.body, dictionary, dictionaries) if fields.body else b"",
        )
    except Exception as error:  # noqa: BLE001 - it moves as it is, and stays a letter that cannot be read
        return StoredDeadLetter(unreadable_letter(row.id, parse_int(fields.died_at), error), b"")
