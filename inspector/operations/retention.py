"""Removes dead letters that are too old or too many. Every function raises BrokerError.

A purge works in rounds. Each round exports its letters, if an export directory is set, writes an audit entry, and
removes exactly those letters. If the process is killed in between, the next round exports the same letters again.
A lease in Redis lets one process purge at a time. Even if two did, each letter would be counted once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import Due
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from inspector.formatting import count_of
from inspector.operations import export_files
from inspector.operations.bulk_actions import CHUNK
from inspector.operations.export import read_with_bodies
from inspector.operations.export_format import format_letter, header_line
from inspector.settings import DeadSettings
from runtime.ids import new_id

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


async def due(redis: Client, settings: DeadSettings, *, count: int = 0) -> Due:
    """How many dead letters are to be removed, and up to `count` of them, oldest first."""
    before_ms = int(await ask_ms(redis) - settings.keep_days * _DAY_MS) if settings.keep_days else 0
    return await dead_letters.due(redis, before_ms=before_ms, stay=settings.keep_count, count=count)


async def purge(
    redis: Client, settings: DeadSettings, *, by: str, round_of: int = ROUND
) -> AsyncGenerator[PurgeResult, None]:
    """Remove the dead letters that are due, round by round, except those that cannot be read.

    Raises PurgeBusyError. Raises OSError if the export fails; then the letters of that round stay.
    """
    owner, unreadable = new_id(), set[str]()
    await _hold_lease(redis, owner)
    try:
        due_letters = await due(redis, settings, count=round_of)
        while ids := [letter_id for letter_id in due_letters.ids if letter_id not in unreadable]:
            file, before = "", len(unreadable)
            if settings.export_dir:
                file, ids = await _export(redis, settings, ids, owner, unreadable)
            else:
                unreadable.update(await _unreadable(redis, ids, owner))
                ids = [letter_id for letter_id in ids if letter_id not in unreadable]
            if ids:
                details = {"letters": str(len(ids)), "file": file, "older_than_days": f"{settings.keep_days:g}"}
                await audit.record(redis, AuditEntry(by, "purge", count_of(len(ids), "dead letter"), details))
            letters, newly_unreadable = await _remove(redis, ids, owner), len(unreadable) - before
            due_letters = await due(redis, settings, count=round_of + len(unreadable))
            yield PurgeResult(letters, file, max(0, due_letters.count - len(unreadable)), newly_unreadable)
            # The index lists letters whose keys another program deleted. The next round would meet the same ones.
            if not letters and not newly_unreadable:
                return
    finally:
        await dead_letters.take_lease(redis, owner, lasts_ms=0)


async def _hold_lease(redis: Client, owner: str) -> None:
    if not await dead_letters.take_lease(redis, owner, lasts_ms=_LEASE_MS):
        raise PurgeBusyError("another process is purging dead letters now")


async def _export(
    redis: Client, settings: DeadSettings, ids: Sequence[str], owner: str, unreadable: set[str]
) -> tuple[str, list[str]]:
    """(path of the export, ids of the letters in it); ("", []) if none can be read. Adds to `unreadable`."""
    written: list[str] = []
    directory = await asyncio.to_thread(_without_leftovers, settings.export_dir)
    now = datetime.now(UTC)
    path = directory / f"{_NAME}{now:%Y%m%dT%H%M%SZ}-{new_id()}.jsonl"

    async def pieces() -> AsyncIterator[bytes]:
        yield header_line("purged", int(now.timestamp() * 1000))
        for chunk in _chunks(ids):
            await _hold_lease(redis, owner)
            letters, unreadable_ids = await read_with_bodies(redis, chunk)
            unreadable.update(unreadable_ids)
            written.extend(letter.stored_letter.letter.id for letter in letters)
            yield b"".join([format_letter(letter) for letter in letters])

    await export_files.write(path, pieces())
    if written:
        return str(path), written
    await asyncio.to_thread(path.unlink)
    return "", written


async def _unreadable(redis: Client, ids: Sequence[str], owner: str) -> list[str]:
    unreadable: list[str] = []
    for chunk in _chunks(ids):
        await _hold_lease(redis, owner)
        letters = await dead_letters.letters(redis, chunk)
        unreadable += [letter.id for letter in letters if letter and letter.is_unreadable]
    return unreadable


def _without_leftovers(export_dir: str) -> Path:
    """The export directory, after deleting partial files."""
    # This process has the lease, so a partial file belongs to a process that was killed.
    directory = Path(export_dir).expanduser()
    for leftover in directory.glob(f".{_NAME}*{export_files.PART}"):
        leftover.unlink(missing_ok=True)
    return directory


async def _remove(redis: Client, ids: Sequence[str], owner: str) -> int:
    removed = 0
    for chunk in _chunks(ids):
        await _hold_lease(redis, owner)
        letters = [letter for letter in await dead_letters.letters(redis, chunk) if letter]
        removed += await dead_letters.discard(redis, letters, counter="purged")
    return removed


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
