"""Removing the dead letters that are too old or too many, never silently. All raise BrokerError.

A round exports what is to go, if it shall be, and removes just that: killed in between, the next round exports
the same letters again. One at a time does so, by a lease in Redis; were it two, each letter would still be counted
once.
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
from inspector.operations.bulk_actions import AT_A_TIME
from inspector.operations.export import whole
from inspector.operations.export_format import header, line_of
from inspector.settings import DeadSettings
from runtime.ids import new_id

ROUND = 20_000
"""Letters of one round, and so of one file."""

_NAME = "hookline-purged-"
_LEASE_MS = 60_000
_DAY_MS = 86_400_000


class Purged(Struct, frozen=True):
    """What one round removed."""

    letters: int
    """Those that were still there when it came to them."""

    file: str
    """Where they were exported to; "" without an export_dir."""

    left: int
    """How many are still to go."""

    unreadable: int = 0
    """Those that it left where they are, as this version cannot read them."""


class PurgeBusyError(Exception):
    """Somebody else is at it."""


async def due(redis: Client, settings: DeadSettings, *, count: int = 0) -> Due:
    """How many dead letters are to go, and up to `count` of them, the oldest."""
    before_ms = int(await ask_ms(redis) - settings.keep_days * _DAY_MS) if settings.keep_days else 0
    return await dead_letters.due(redis, before_ms=before_ms, stay=settings.keep_count, count=count)


async def purge(
    redis: Client, settings: DeadSettings, *, by: str, round_of: int = ROUND
) -> AsyncGenerator[Purged, None]:
    """Remove them round by round, until none is left to go but those that cannot be read. Raises PurgeBusyError,
    OSError where the export fails: then what its round was about stays.
    """
    owner, lost = new_id(), set[str]()
    await _hold_lease(redis, owner)
    try:
        found = await due(redis, settings, count=round_of)
        while ids := [name for name in found.ids if name not in lost]:
            file, before = "", len(lost)
            if settings.export_dir:
                file, ids = await _exported(redis, settings, ids, owner, lost)
            else:
                lost.update(await _unreadable(redis, ids, owner))
                ids = [name for name in ids if name not in lost]
            if ids:
                details = {"letters": str(len(ids)), "file": file, "older_than_days": f"{settings.keep_days:g}"}
                await audit.record(redis, AuditEntry(by, "purge", count_of(len(ids), "dead letter"), details))
            letters, newly_lost = await _removed(redis, ids, owner), len(lost) - before
            found = await due(redis, settings, count=round_of + len(lost))
            yield Purged(letters, file, max(0, found.count - len(lost)), newly_lost)
            if not letters and not newly_lost:
                return  # what is due has lost its letters, not by Hookline: the next round would find the same
    finally:
        await dead_letters.take_lease(redis, owner, lasts_ms=0)


async def _hold_lease(redis: Client, owner: str) -> None:
    if not await dead_letters.take_lease(redis, owner, lasts_ms=_LEASE_MS):
        raise PurgeBusyError("another is removing old dead letters just now")


async def _exported(
    redis: Client, settings: DeadSettings, ids: Sequence[str], owner: str, lost: set[str]
) -> tuple[str, list[str]]:
    """(the file, the letters in it); ("", []) where there is none. What cannot be read joins the lost."""
    written: list[str] = []
    directory = await asyncio.to_thread(_cleared, settings.export_dir)
    now = datetime.now(UTC)
    path = directory / f"{_NAME}{now:%Y%m%dT%H%M%SZ}-{new_id()}.jsonl"

    async def pieces() -> AsyncIterator[bytes]:
        yield header("purged", int(now.timestamp() * 1000))
        for some in _parts(ids):
            await _hold_lease(redis, owner)
            found, unreadable = await whole(redis, some)
            lost.update(unreadable)
            written.extend(kept.stored_letter.letter.id for kept in found)
            yield b"".join([line_of(kept) for kept in found])

    await export_files.write(path, pieces())
    if written:
        return str(path), written
    await asyncio.to_thread(path.unlink)
    return "", written


async def _unreadable(redis: Client, ids: Sequence[str], owner: str) -> list[str]:
    found: list[str] = []
    for some in _parts(ids):
        await _hold_lease(redis, owner)
        found += [
            letter.id for letter in await dead_letters.letters(redis, some) if letter and letter.is_unreadable
        ]
    return found


def _cleared(export_dir: str) -> Path:
    """The directory, without what one that was killed had begun: there is one at a time."""
    directory = Path(export_dir).expanduser()
    for left in directory.glob(f".{_NAME}*{export_files.PART}"):
        left.unlink(missing_ok=True)
    return directory


async def _removed(redis: Client, ids: Sequence[str], owner: str) -> int:
    letters = 0
    for some in _parts(ids):
        await _hold_lease(redis, owner)
        there = [letter for letter in await dead_letters.letters(redis, some) if letter]
        letters += await dead_letters.discard(redis, there, counter="purged")
    return letters


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + AT_A_TIME] for start in range(0, len(ids), AT_A_TIME)]
