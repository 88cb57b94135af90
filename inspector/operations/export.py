"""Export dead letters and import them again, see inspector/operations/export_format.py. All raise BrokerError.

An export holds personal data in clear: faces give it only to those who may have it revealed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import NEWEST, ExportedDeadLetter, StoredDeadLetter
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.queue import jobs
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from inspector.operations.bulk_actions import AT_A_TIME, told
from inspector.operations.export_format import MAX_LINE_BYTES, LineError, header, kept_of, left_out, line_of
from inspector.operations.search import Filter, walk

_MAX_BYTES_TOGETHER = 4 * 1024 * 1024
"""Of lines whose letters are imported in one step."""

Terms = Callable[[StoredDeadLetter], Sequence[str]]
"""What a letter can be found by: hashed in Redis, it cannot be read back and is made anew at an import."""


class Imported(Struct, frozen=True):
    """How far an import has come."""

    imported: int = 0
    there: int = 0
    """Letters that were there already: they are as they were."""

    lines: int = 0


class Exported(Struct):
    """How far an export has come."""

    letters: int = 0
    unreadable: int = 0
    """Letters that are not in it, as this version cannot read them. They are where they were."""


class ImportFileError(Exception):
    """A line is no dead letter. What stood before it is imported, what stands behind it is not."""

    def __init__(self, line: int, reason: str, so_far: Imported) -> None:
        super().__init__(f"line {line}: {reason}")
        self.so_far = so_far


async def export(
    redis: Client, wanted: Filter, *, by: str, so_far: Exported | None = None
) -> AsyncGenerator[bytes, None]:
    """The lines of the letters that match now, newest first, in pieces of some at a time; audited first.

    What goes or dies meanwhile is not among them, nor what cannot be read: the last line, a header, then says how
    many these are. However many there are, AT_A_TIME of them are in memory. `so_far` is kept up to date.
    """
    about, done = told(wanted), so_far or Exported()
    await audit.record(redis, AuditEntry(by, "export", about))
    yield header(about, await ask_ms(redis))
    ids: list[str] = []
    async for row in walk(redis, wanted, NEWEST):
        ids.append(row.id)
        if len(ids) == AT_A_TIME:
            yield await _lines(redis, ids, done)
            ids = []
    if ids:
        yield await _lines(redis, ids, done)
    if done.unreadable:
        yield left_out(done.unreadable)


async def whole(redis: Client, ids: Sequence[str]) -> tuple[list[ExportedDeadLetter], list[str]]:
    """(all that Redis keeps of letters, ids of those that cannot be read); those that have gone are left out."""
    rows = await dead_letters.read_rows(redis, ids, with_bodies=True)
    kept = [
        ExportedDeadLetter(
            StoredDeadLetter(row.letter, row.body, (), row.notes), row.at_ms, await _settled(redis, row.letter.job)
        )
        for row in rows
        if row.letter is not None and not row.letter.is_unreadable
    ]
    return kept, [row.id for row in rows if row.letter is not None and row.letter.is_unreadable]


async def import_lines(
    redis: Client, lines: Iterable[bytes], terms: Terms, *, by: str, about: str
) -> AsyncIterator[Imported]:
    """Bury the letters of an export; yields how far it has come.

    Letters that are there are passed over, so that what was killed can be run again.

    about: the file's name, for the audit log. Raises ImportFileError, with what had been imported, and OSError.
    """
    await audit.record(redis, AuditEntry(by, "import", about))
    so_far, some, size = Imported(), list[ExportedDeadLetter](), 0
    number, fault = 0, ""
    for number, line in enumerate(lines, start=1):
        try:
            kept = kept_of(line)
        except LineError as error:
            fault = str(error)
            break
        if kept is None:
            continue
        stored_letter = kept.stored_letter
        found = StoredDeadLetter(
            stored_letter.letter, stored_letter.body, tuple(terms(stored_letter)), stored_letter.notes
        )
        some.append(msgspec.structs.replace(kept, stored_letter=found))
        size += len(line)
        if len(some) == AT_A_TIME or size > _MAX_BYTES_TOGETHER:
            so_far = await _brought_in(redis, some, so_far, number)
            some, size = [], 0
            yield so_far
    if some:
        so_far = await _brought_in(redis, some, so_far, number - bool(fault))
    if fault:
        raise ImportFileError(number, fault, so_far)
    yield msgspec.structs.replace(so_far, lines=number)


def lines_of(read: Callable[[int], bytes]) -> Iterable[bytes]:
    """The lines of a file, none longer than one can be: that is cut, and so no JSON. `read`: its readline."""
    return iter(lambda: read(MAX_LINE_BYTES), b"")


async def _lines(redis: Client, ids: Sequence[str], done: Exported) -> bytes:
    found, lost = await whole(redis, ids)
    done.letters += len(found)
    done.unreadable += len(lost)
    return b"".join([line_of(kept) for kept in found])


async def _brought_in(redis: Client, some: Sequence[ExportedDeadLetter], so_far: Imported, lines: int) -> Imported:
    imported = await dead_letters.import_dead_letters(redis, some)
    return Imported(so_far.imported + imported, so_far.there + len(some) - imported, lines)


async def _settled(redis: Client, job: str) -> tuple[int, ...]:
    return tuple(sorted(await jobs.settled_indices(redis, job))) if job else ()
