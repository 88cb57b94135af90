"""Export dead letters and import them again. Every function raises BrokerError.

An export holds personal data in clear, so callers offer it only to users with the right to reveal. The format is
in inspector/operations/export_format.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence

from msgspec import Struct, structs

from broker import dead_letters
from broker.dead_letters import NEWEST, ExportedDeadLetter, StoredDeadLetter
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.queue import jobs
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from inspector.operations import search
from inspector.operations.bulk_actions import CHUNK
from inspector.operations.export_format import (
    MAX_LINE_BYTES,
    LineError,
    format_letter,
    header_line,
    parse_letter,
    unreadable_line,
)
from inspector.operations.filters import Filter, describe_for_audit

_MAX_CHUNK_BYTES = 4 * 1024 * 1024
"""Most bytes of lines whose letters are imported in one step."""

SearchTerms = Callable[[StoredDeadLetter], Sequence[str]]
"""Returns what a letter can be found by. Redis keeps only hashes of these, so an import computes them again."""


class ImportProgress(Struct, frozen=True):
    """How far an import is."""

    imported: int = 0
    existing: int = 0
    """Letters that existed already. An import does not change them."""

    lines: int = 0


class ExportProgress(Struct):
    """How far an export is."""

    letters: int = 0
    unreadable: int = 0
    """Letters that this version cannot read. They are not exported, and stay where they are."""


class ImportFileError(Exception):
    """A line is not a dead letter. All lines before it are imported; it and the lines after it are not."""

    def __init__(self, line: int, reason: str, progress: ImportProgress) -> None:
        super().__init__(f"line {line}: {reason}")
        self.progress = progress


async def export_lines(
    redis: Client, letter_filter: Filter, *, by: str, progress: ExportProgress | None = None
) -> AsyncGenerator[bytes, None]:
    """Yield the lines of all letters that match, newest first, in chunks. The audit entry is written first.

    Letters that are removed or added meanwhile are left out, and so are letters that cannot be read: then the last
    line is a header with their number. At most CHUNK letters are in memory. `progress` is updated on the way.
    """
    about, progress = describe_for_audit(letter_filter), progress or ExportProgress()
    await audit.record(redis, AuditEntry(by, "export", about))
    yield header_line(about, await ask_ms(redis))
    ids: list[str] = []
    async for row in search.walk(redis, letter_filter, NEWEST):
        ids.append(row.id)
        if len(ids) == CHUNK:
            yield await _lines(redis, ids, progress)
            ids = []
    if ids:
        yield await _lines(redis, ids, progress)
    if progress.unreadable:
        yield unreadable_line(progress.unreadable)


async def read_with_bodies(redis: Client, ids: Sequence[str]) -> tuple[list[ExportedDeadLetter], list[str]]:
    """(letters with everything that Redis has of them, ids of unreadable letters). Skips removed letters."""
    rows = await dead_letters.read_rows(redis, ids, with_bodies=True)
    letters = [
        ExportedDeadLetter(
            StoredDeadLetter(row.letter, row.body, (), row.notes), row.at_ms, await _settled(redis, row.letter.job)
        )
        for row in rows
        if row.letter is not None and not row.letter.is_unreadable
    ]
    return letters, [row.id for row in rows if row.letter is not None and row.letter.is_unreadable]


async def import_lines(
    redis: Client, lines: Iterable[bytes], terms: SearchTerms, *, by: str, about: str
) -> AsyncIterator[ImportProgress]:
    """Add the letters of an export to Redis; yield the progress.

    Letters that exist are skipped, so an interrupted import can be run again. `about`: name of the file, for the
    audit log. Raises ImportFileError with the progress so far, and OSError.
    """
    await audit.record(redis, AuditEntry(by, "import", about))
    progress, chunk, size = ImportProgress(), list[ExportedDeadLetter](), 0
    number, fault = 0, ""
    for number, line in enumerate(lines, start=1):
        try:
            letter = parse_letter(line)
        except LineError as error:
            fault = str(error)
            break
        if letter is None:
            continue
        stored = structs.replace(letter.stored_letter, terms=tuple(terms(letter.stored_letter)))
        chunk.append(structs.replace(letter, stored_letter=stored))
        size += len(line)
        if len(chunk) == CHUNK or size > _MAX_CHUNK_BYTES:
            progress = await _add(redis, chunk, progress, number)
            chunk, size = [], 0
            yield progress
    if chunk:
        progress = await _add(redis, chunk, progress, number - bool(fault))
    if fault:
        raise ImportFileError(number, fault, progress)
    yield structs.replace(progress, lines=number)


def split_lines(readline: Callable[[int], bytes]) -> Iterable[bytes]:
    """The lines of a file. A line longer than any letter is cut, and so it is rejected as invalid JSON."""
    return iter(lambda: readline(MAX_LINE_BYTES), b"")


async def _lines(redis: Client, ids: Sequence[str], progress: ExportProgress) -> bytes:
    letters, unreadable = await read_with_bodies(redis, ids)
    progress.letters += len(letters)
    progress.unreadable += len(unreadable)
    return b"".join([format_letter(letter) for letter in letters])


async def _add(
    redis: Client, letters: Sequence[ExportedDeadLetter], progress: ImportProgress, lines: int
) -> ImportProgress:
    imported = await dead_letters.import_dead_letters(redis, letters)
    return ImportProgress(progress.imported + imported, progress.existing + len(letters) - imported, lines)


async def _settled(redis: Client, job: str) -> tuple[int, ...]:
    return tuple(sorted(await jobs.settled_indices(redis, job))) if job else ()
