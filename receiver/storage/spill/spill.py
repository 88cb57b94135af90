"""The segments of one process: appended to at one end, drained from the other.

All work on the disk is done one after another on a thread of its own, so that a disk that hangs holds up neither
the event loop nor any other thread. Lifecycle: append() and next_group() at any time, close() at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from broker.monitoring.spilled import Spilled
from broker.queue import batch
from broker.queue.batch import MAX_BODIES, MAX_BYTES, RawBody, UnreadableBatchError
from receiver.storage.spill import files
from receiver.storage.spill.errors import SpillError
from receiver.storage.spill.files import SegmentFile, Sync
from receiver.storage.spill.segment import Frame, Scan

T = TypeVar("T")

_SEGMENTS = 128
"""Segments that what may be spilled comes in. Each is an open file, and one at a time is in memory."""

_MIN_SEGMENT_BYTES = 1024 * 1024

_CLOSE_S = 1.0

_logger = logging.getLogger("hookline.receiver")


class Group(Struct, frozen=True):
    """Frames that follow each other, to be written as one batch."""

    bodies: list[RawBody]
    end: int
    """Offset behind them."""


class Spill:
    """See the module."""

    def __init__(self, directory: Path, *, max_bytes: int, sync: Sync = os.fsync) -> None:
        """`max_bytes`: what all processes' segments may take together. Raises SpillDirError."""
        files.prepare(directory)
        self.directory = directory
        self.max_bytes = max_bytes
        self.seen = files.survey(directory)
        """What lay in the directory at the last look."""

        self._segment_bytes = max(_MIN_SEGMENT_BYTES, max_bytes // _SEGMENTS)
        self._sync = sync
        self._thread = ThreadPoolExecutor(1, "spill")
        self._appending: Future[None] | None = None
        self._held: dict[Path, SegmentFile] = {}
        self._done: set[Path] = set()  # drained, but the disk would not let them be deleted
        self._open: SegmentFile | None = None  # the one that is appended to, which is held too
        self._draining: _Draining | None = None
        self._bytes_of_others = self.seen.bytes  # as of the last look

    async def append(self, bodies: list[RawBody]) -> None:
        """Returns when a batch is on disk. Raises SpillError."""
        if self._appending is not None and not self._appending.done():
            raise SpillError(f"the disk does not answer (receiver.spill_dir {self.directory})")
        self._appending = self._thread.submit(self._append, bodies)
        # Shielded, so that an append which nobody waits for any more is still seen to hang.
        await asyncio.shield(asyncio.wrap_future(self._appending))

    async def look(self) -> Spilled:
        """Take over what dead processes left, and see what there is. Raises SpillError."""
        return await self._on_disk(self._look)

    async def next_group(self) -> Group | None:
        """The oldest that is not drained yet; None when there is no more. Raises SpillError."""
        return await self._on_disk(self._next_group)

    async def drained(self, group: Group) -> None:
        """Redis has what next_group gave."""
        await self._on_disk(lambda: self._drained(group))

    async def close(self) -> None:
        """Let go of all segments; they stay for the next start, or for another process."""
        closing = self._thread.submit(self._close)
        await asyncio.wait((asyncio.wrap_future(closing),), timeout=_CLOSE_S)
        self._thread.shutdown(wait=False)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._thread.submit(work))

    def _append(self, bodies: list[RawBody]) -> None:
        blob = batch.encode(bodies)
        if self._bytes() + len(blob) > self.max_bytes:
            raise SpillError(
                f"no more than {self.max_bytes} bytes are spilled to {self.directory} (receiver.spill_max_bytes)"
            )
        segment = self._open or self._opened()
        try:
            segment.append(blob, bodies=len(bodies), oldest_ms=bodies[0].received_at_ms)
        except SpillError:
            self._open = None
            if not segment.head.bodies:
                self._held.pop(segment.path).remove()
            raise
        if segment.size >= self._segment_bytes:
            self._open = None

    def _opened(self) -> SegmentFile:
        self._open = files.create(self.directory, self._sync)
        self._held[self._open.path] = self._open
        return self._open

    def _bytes(self) -> int:
        return self._bytes_of_others + self._own_bytes()

    def _own_bytes(self) -> int:
        return sum(segment.size for segment in self._held.values())

    def _look(self) -> Spilled:
        for path in files.segments(self.directory):
            if (
                path not in self._held
                and path not in self._done
                and (found := files.adopt(path, self._sync)) is not None
            ):
                self._held[path] = found
        self.seen = files.survey(self.directory)
        self._bytes_of_others = max(0, self.seen.bytes - self._own_bytes())
        return self.seen

    def _next_group(self) -> Group | None:
        while self._draining is not None or self._held:
            self._draining = self._draining or self._oldest()
            group = self._draining.next_group()
            if group is not None:
                return group
            self._finish(self._draining)
        return None

    def _oldest(self) -> _Draining:
        segment = self._held[min(self._held)]
        if segment is self._open:
            self._open = None
        return _Draining(segment)

    def _finish(self, draining: _Draining) -> None:
        self._draining = None
        path = draining.segment.path
        del self._held[path]
        if draining.damage:
            _tell_damage(draining.segment.set_aside(), draining.damage)
        else:
            draining.segment.remove()
        if path.exists():
            self._done.add(path)

    def _drained(self, group: Group) -> None:
        if self._draining is not None:
            self._draining.confirm(group)

    def _close(self) -> None:
        for segment in self._held.values():
            segment.close()
        self._held.clear()
        with contextlib.suppress(SpillError):
            self.seen = files.survey(self.directory)


class _Draining:
    """The segment that is being drained."""

    def __init__(self, segment: SegmentFile) -> None:
        self.segment = segment
        self.damage = ""
        """What is wrong with it, "" for nothing."""

        found = self._read()
        self._remembers_up_to = found.damaged_at
        self._frames = deque(one for one in found.frames if one.start >= segment.head.drained)
        if found.damaged_at is not None:
            self.damage = f"from byte {found.damaged_at} on"
        if found.torn_bytes:
            _logger.warning(
                "%d bytes that a crash cut off are left out of %s: nobody was told that they are kept",
                found.torn_bytes,
                segment.path,
                extra={"action": "spill_torn", "file": str(segment.path), "bytes": found.torn_bytes},
            )

    def next_group(self) -> Group | None:
        """The same again until it is confirmed."""
        bodies: list[RawBody] = []
        size, end = 0, 0
        for one in self._frames:
            more = self._decoded(one)
            size += sum(len(body.body) for body in more)
            if bodies and (len(bodies) + len(more) > MAX_BODIES or size > MAX_BYTES):
                break
            bodies += more
            end = one.end if more else end
        return Group(bodies, end) if bodies else None

    def confirm(self, group: Group) -> None:
        while self._frames and self._frames[0].end <= group.end:
            self._frames.popleft()
        # Behind an unreadable batch nothing is remembered, so that a restart meets it again.
        if self._remembers_up_to is None or group.end <= self._remembers_up_to:
            self.segment.advance(group.end, len(group.bodies))

    def _read(self) -> Scan:
        try:
            return self.segment.read()
        except SpillError as error:
            self.damage = str(error)
            return Scan([], None, 0)

    def _decoded(self, one: Frame) -> list[RawBody]:
        try:
            return batch.decode(one.blob)
        except UnreadableBatchError as error:
            self.damage = self.damage or f"at byte {one.start}: {error}"
            self._remembers_up_to = min(self._remembers_up_to or one.start, one.start)
            return []


def _tell_damage(kept: Path, damage: str) -> None:
    _logger.error(
        "a segment of spilled webhooks is damaged (%s): what can be read of it is in Redis, it is kept as %s",
        damage,
        kept,
        extra={"action": "spill_corrupt", "file": str(kept), "reason": damage},
    )
