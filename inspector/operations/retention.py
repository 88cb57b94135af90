"""Removes dead letters that are too old or too many. Every function raises BrokerError.

A purge works in rounds. Each round exports its letters, if an export directory is set, writes an audit entry, and
removes exactly those letters. If the process is killed in between, the next round exports the same letters again.
A lease in the control partition lets one process purge at a time. Even if two did, each letter would be counted
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from broker import dead_letters
from broker.merged import letters as all_letters
from broker.merged import retention as all_retention
from broker.merged.away import Away
from broker.merged.retention import Due
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.formatting import count_of
from inspector.operations.action_steps.verb_steps import CHUNK
from inspector.operations.export import export_files
from inspector.operations.export.export import read_with_bodies
from inspector.operations.export.export_format import format_letter, header_line
from inspector.settings import DeadSettings
from runtime.ids import new_id

T = TypeVar("T")

Letter = tuple[Client, str]
"""The id of a letter, with the client of its partition."""

ROUND = 20_000
"""Most letters in a round, and so in an export file."""

_NAME = "hookline-purged-"
_LEASE_MS = 60_000
_DAY_MS = 86_400_000


class PurgeResult(Struct, frozen=True):
    """The result of one round."""

    letters: int
    """Letters that this round removed. Letters that were removed by something else meanwhile do not count."""

    file: str
    """Path of the export; "" without an export directory."""

    left: int
    """Letters that are still to be removed."""

    unreadable: int = 0
    """Letters that this version cannot read. They stay where they are."""


class PurgeBusyError(Exception):
    """Another process is purging."""


async def due(partitions: Partitions, settings: DeadSettings, *, count: int = 0, away: Away | None = None) -> Due:
    """How many dead letters are to be removed, and up to `count` of them, oldest first.

    The limit of their number is for all partitions together. `away` gets those that do not answer.
    """
    before_ms = 0
    if settings.keep_days:
        before_ms = int(await all_letters.now_ms(partitions, away=away) - settings.keep_days * _DAY_MS)
    return await all_retention.due(
        partitions, before_ms=before_ms, stay=settings.keep_count, count=count, away=away
    )


async def purge(
    partitions: Partitions,
    settings: DeadSettings,
    *,
    by: str,
    round_of: int = ROUND,
    away: Away | None = None,
) -> AsyncGenerator[PurgeResult, None]:
    """Remove the dead letters that are due, round by round, except those that cannot be read.

    The letters of partitions in `away` stay. Raises PurgeBusyError. Raises OSError if the export fails; then the
    letters of that round stay.
    """
    lease, unreadable = _Lease(partitions.control), set[str]()
    await lease.hold()
    try:
        due_letters = await due(partitions, settings, count=round_of, away=away)
        while letters := [letter for letter in due_letters.letters if letter[1] not in unreadable]:
            file, before = "", len(unreadable)
            if settings.export_dir:
                file, letters = await _export(settings, letters, lease, unreadable)
            else:
                unreadable.update(await _unreadable(letters, lease))
                letters = [letter for letter in letters if letter[1] not in unreadable]
            removed = 0
            for redis, ids in all_letters.group(letters).items():
                details = {"letters": str(len(ids)), "file": file, "older_than_days": f"{settings.keep_days:g}"}
                await audit.record(redis, AuditEntry(by, "purge", count_of(len(ids), "dead letter"), details))
                removed += await _remove(redis, ids, lease)
            newly_unreadable = len(unreadable) - before
            due_letters = await due(partitions, settings, count=round_of + len(unreadable), away=away)
            yield PurgeResult(removed, file, max(0, due_letters.count - len(unreadable)), newly_unreadable)
            # The index lists letters whose keys another program deleted. The next round would meet the same ones.
            if not removed and not newly_unreadable:
                return
    finally:
        await lease.give_back()


class _Lease:
    """Lets one process purge at a time."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._owner = new_id()

    async def hold(self) -> None:
        """Take the lease, or extend it. Raises PurgeBusyError if another process has it."""
        if not await dead_letters.take_lease(self._redis, self._owner, lasts_ms=_LEASE_MS):
            raise PurgeBusyError("another process is purging dead letters now")

    async def give_back(self) -> None:
        await dead_letters.take_lease(self._redis, self._owner, lasts_ms=0)


async def _export(
    settings: DeadSettings, letters: Sequence[Letter], lease: _Lease, unreadable: set[str]
) -> tuple[str, list[Letter]]:
    """(path of the export, the letters in it); ("", []) if none can be read. Adds to `unreadable`."""
    written: list[Letter] = []
    directory = await asyncio.to_thread(_without_leftovers, settings.export_dir)
    now = datetime.now(UTC)
    path = directory / f"{_NAME}{now:%Y%m%dT%H%M%SZ}-{new_id()}.jsonl"

    async def pieces() -> AsyncIterator[bytes]:
        yield header_line("purged", int(now.timestamp() * 1000))
        for chunk in _chunks(letters):
            await lease.hold()
            exported, unreadable_ids = await read_with_bodies(chunk)
            unreadable.update(unreadable_ids)
            ids = {letter.stored_letter.letter.id for letter in exported}
            written.extend(letter for letter in chunk if letter[1] in ids)
            yield b"".join([format_letter(letter) for letter in exported])

    await export_files.write(path, pieces())
    if written:
        return str(path), written
    await asyncio.to_thread(path.unlink)
    return "", written


async def _unreadable(letters: Sequence[Letter], lease: _Lease) -> list[str]:
    unreadable: list[str] = []
    for redis, ids in all_letters.group(letters).items():
        for chunk in _chunks(ids):
            await lease.hold()
            found = await dead_letters.letters(redis, chunk)
            unreadable += [letter.id for letter in found if letter and letter.is_unreadable]
    return unreadable


def _without_leftovers(export_dir: str) -> Path:
    """The export directory, after deleting partial files."""
    # This process has the lease, so a partial file belongs to a process that was killed.
    directory = Path(export_dir).expanduser()
    for leftover in directory.glob(f".{_NAME}*{export_files.PART}"):
        leftover.unlink(missing_ok=True)
    return directory


async def _remove(redis: Client, ids: Sequence[str], lease: _Lease) -> int:
    removed = 0
    for chunk in _chunks(ids):
        await lease.hold()
        letters = [letter for letter in await dead_letters.letters(redis, chunk) if letter]
        removed += await dead_letters.discard(redis, letters, counter="purged")
    return removed


def _chunks(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
