"""Export dead letters and import them again. Every function raises BrokerError.

An export holds personal data in clear, so callers offer it only to users with the right to reveal. The format is
in inspector/operations/export/export_format.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence

from msgspec import Struct, structs

from broker import dead_letters
from broker.dead_letters import NEWEST, DeadLetter, DeadLetterRow, ExportedDeadLetter, StoredDeadLetter
from broker.merged import audit as all_audit
from broker.merged import letters as all_letters
from broker.merged.away import Away, ask, leave_out
from broker.monitoring.audit import AuditEntry
from broker.queue import jobs
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions, named
from inspector.operations.action_steps.verb_steps import CHUNK
from inspector.operations.export.export_format import (
    MAX_LINE_BYTES,
    LineError,
    format_letter,
    header_line,
    incomplete_line,
    parse_letter,
    unreadable_line,
)
from inspector.operations.filters import Filter, describe_for_audit
from inspector.operations.walk import walk

_MAX_CHUNK_BYTES = 4 * 1024 * 1024
"""Most bytes of lines whose letters are imported in one step."""

SearchTerms = Callable[[StoredDeadLetter], Sequence[str]]
"""Returns what a letter can be found by. Redis keeps only hashes of these, so an import computes them again."""


EventBucket = Callable[[StoredDeadLetter], int | None]
"""Returns the bucket of the identity of a letter's event (see broker/queue/dedupe.py), None if it is not known."""


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
    partitions: Partitions,
    letter_filter: Filter,
    *,
    by: str,
    progress: ExportProgress | None = None,
    away: Away | None = None,
) -> AsyncGenerator[bytes, None]:
    """Yield the lines of all letters that match, newest first, in chunks. The audit entry is written first.

    Letters that are removed or added meanwhile are left out, and so are letters that cannot be read, and
    partitions in `away`: then the last lines are headers that say so. At most CHUNK letters are in memory.
    `progress` is updated on the way.
    """
    about, progress = describe_for_audit(letter_filter), progress or ExportProgress()
    await all_audit.record(partitions, AuditEntry(by, "export", about))
    yield header_line(about, await all_letters.now_ms(partitions, away=away))
    chunk: list[tuple[Client, str]] = []
    async for redis, row in walk(partitions, letter_filter, NEWEST, away=away):
        chunk.append((redis, row.id))
        if len(chunk) == CHUNK:
            yield await _lines(chunk, progress, away)
            chunk = []
    if chunk:
        yield await _lines(chunk, progress, away)
    if progress.unreadable:
        yield unreadable_line(progress.unreadable)
    if away:
        yield incomplete_line(named(away))


async def read_with_bodies(
    letters: Sequence[tuple[Client, str]], *, away: Away | None = None
) -> tuple[list[ExportedDeadLetter], list[str]]:
    """(letters with everything that Redis has of them, ids of unreadable letters). Skips removed letters.

    letters: ids, each with the client of its partition. The letters have the same order.
    """
    exported: dict[str, ExportedDeadLetter] = {}
    unreadable: list[str] = []
    for redis, ids in all_letters.group(letters).items():
        try:
            rows = await dead_letters.read_rows(redis, ids, with_bodies=True)
            for row in rows:
                if row.letter and row.letter.is_unreadable:
                    unreadable.append(row.id)
                elif row.letter:
                    exported[row.id] = await _exported(redis, row, row.letter)
        except BrokerError as error:
            if away is None:
                raise
            leave_out({redis.partition: error}, away)
    return [exported[letter_id] for _, letter_id in letters if letter_id in exported], unreadable


async def _exported(redis: Client, row: DeadLetterRow, letter: DeadLetter) -> ExportedDeadLetter:
    settled = tuple(sorted(await jobs.settled_indices(redis, letter.job))) if letter.job else ()
    return ExportedDeadLetter(StoredDeadLetter(letter, row.body, (), row.notes), row.at_ms, settled)


async def import_lines(
    partitions: Partitions,
    lines: Iterable[bytes],
    terms: SearchTerms,
    bucket_of: EventBucket,
    *,
    by: str,
    about: str,
) -> AsyncIterator[ImportProgress]:
    """Add the letters of an export to Redis; yield the progress.

    Letters that exist in any partition are skipped, so an interrupted import can be run again. A notification is
    imported into the partition of its event's identity, because a redelivery of the event finds it only there; a
    letter whose event is not known goes into the control partition. `about`: name of the file, for the audit log.
    Raises ImportFileError with the progress so far, Unavailable if a partition is away, and OSError.
    """
    await all_audit.record(partitions, AuditEntry(by, "import", about))
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
            progress = await _add(partitions, bucket_of, chunk, progress, number)
            chunk, size = [], 0
            yield progress
    if chunk:
        progress = await _add(partitions, bucket_of, chunk, progress, number - bool(fault))
    if fault:
        raise ImportFileError(number, fault, progress)
    yield structs.replace(progress, lines=number)


def split_lines(readline: Callable[[int], bytes]) -> Iterable[bytes]:
    """The lines of a file. A line longer than any letter is cut, and so it is rejected as invalid JSON."""
    return iter(lambda: readline(MAX_LINE_BYTES), b"")


async def _lines(letters: Sequence[tuple[Client, str]], progress: ExportProgress, away: Away | None) -> bytes:
    exported, unreadable = await read_with_bodies(letters, away=away)
    progress.letters += len(exported)
    progress.unreadable += len(unreadable)
    return b"".join([format_letter(letter) for letter in exported])


async def _add(
    partitions: Partitions,
    bucket_of: EventBucket,
    letters: Sequence[ExportedDeadLetter],
    progress: ImportProgress,
    lines: int,
) -> ImportProgress:
    imported = 0
    for number, of_one in (await _by_home(partitions, bucket_of, letters)).items():
        imported += await dead_letters.import_dead_letters(partitions[number], of_one)
    return ImportProgress(progress.imported + imported, progress.existing + len(letters) - imported, lines)


async def _by_home(
    partitions: Partitions, bucket_of: EventBucket, letters: Sequence[ExportedDeadLetter]
) -> dict[int, list[ExportedDeadLetter]]:
    """The letters that no partition has yet, by the number of the partition where they belong."""
    if len(partitions) == 1:
        return {0: list(letters)}
    known: set[str] = set()
    for found in (await ask(partitions, lambda redis: dead_letters.imported_before(redis, letters))).values():
        known |= found
    by_home: dict[int, list[ExportedDeadLetter]] = {}
    for exported in letters:
        if exported.stored_letter.letter.id not in known:
            bucket = bucket_of(exported.stored_letter)
            home = 0 if bucket is None else partitions.home_of(bucket)
            by_home.setdefault(home, []).append(exported)
    return by_home
