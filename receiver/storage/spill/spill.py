"""The segments of one process: appended to at one end, drained from the other.

All disk operations run one after another in a thread of their own, so that a disk that hangs blocks neither the
event loop nor another thread. Lifecycle: append() and next_group() at any time, close() at the end.
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
"""Number of segments for spill_max_bytes. Each is an open file, and one at a time is in memory."""

_MIN_SEGMENT_BYTES = 1024 * 1024

_CLOSE_S = 1.0

log = logging.getLogger("hookline.receiver")


class Group(Struct, frozen=True):
    """Consecutive frames, to be written as one batch."""

    bodies: list[RawBody]
    end: int
    """Offset after the last of the frames."""


class Spill:
    """The spilled webhooks of one process, in segments. The module describes its lifecycle."""

    def __init__(self, directory: Path, *, max_bytes: int, sync: Sync = os.fsync) -> None:
        """`max_bytes`: limit on the segments of all processes together. Raises SpillDirError."""
        files.prepare(directory)
        self.directory = directory
        self.max_bytes = max_bytes
        self.on_disk = files.survey(directory)
        """The content of the directory at the last refresh."""

        self._segment_bytes = max(_MIN_SEGMENT_BYTES, max_bytes // _SEGMENTS)
        self._sync = sync
        self._thread = ThreadPoolExecutor(1, "spill")
        self._appending: Future[None] | None = None
        self._held: dict[Path, SegmentFile] = {}
        self._done: set[Path] = set()  # drained, but the disk did not allow to delete them
        self._open: SegmentFile | None = None  # the segment to append to, which is in _held too
        self._draining: _Draining | None = None
        self._bytes_of_others = self.on_disk.bytes  # at the last refresh

    async def append(self, bodies: list[RawBody]) -> None:
        """Write a batch; returns when it is on disk. Raises SpillError."""
        if self._appending is not None and not self._appending.done():
            raise SpillError(f"the disk does not answer (receiver.spill_dir {self.directory})")
        self._appending = self._thread.submit(self._append, bodies)
        # Shielded, so that a hanging append is noticed also when its request was cancelled.
        await asyncio.shield(asyncio.wrap_future(self._appending))

    async def refresh(self) -> Spilled:
        """Adopt the segments of ended processes, and count what is on disk. Raises SpillError."""
        return await self._on_disk(self._refresh)

    async def next_group(self) -> Group | None:
        """The oldest group that is not drained yet, or None. Raises SpillError."""
        return await self._on_disk(self._next_group)

    async def drained(self, group: Group) -> None:
        """Record that Redis has the group that next_group returned."""
        await self._on_disk(lambda: self._drained(group))

    async def close(self) -> None:
        """Release all segments; they stay for the next start, or for another process."""
        closing = self._thread.submit(self._close)
        await asyncio.wait((asyncio.wrap_future(closing),), timeout=_CLOSE_S)
        self._thread.shutdown(wait=False)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._thread.submit(work))

    def _append(self, bodies: list[RawBody]) -> None:
        blob = batch.encode(bodies)
        if self._bytes() + len(blob) > self.max_bytes:
            raise SpillError(
                f"the limit of {self.max_bytes} bytes in {self.directory} is reached (receiver.spill_max_bytes)"
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

    def _refresh(self) -> Spilled:
        for path in files.segments(self.directory):
            if (
                path not in self._held
                and path not in self._done
                and (segment := files.adopt(path, self._sync)) is not None
            ):
                self._held[path] = segment
        self.on_disk = files.survey(self.directory)
        self._bytes_of_others = max(0, self.on_disk.bytes - self._own_bytes())
        return self.on_disk

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
            _log_damage(draining.segment.set_aside(), draining.damage)
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
            self.on_disk = files.survey(self.directory)


class _Draining:
    """The segment that is being drained, and how far."""

    def __init__(self, segment: SegmentFile) -> None:
        self.segment = segment
        self.damage = ""
        """The damage of the segment, "" for none."""

        content = self._read()
        self._record_up_to = content.damaged_at
        self._frames = deque(frame for frame in content.frames if frame.start >= segment.head.drained)
        if content.damaged_at is not None:
            self.damage = f"from byte {content.damaged_at} on"
        if content.torn_bytes:
            log.warning(
                "%d bytes at the end of %s are ignored: their write was incomplete, and no 202 was sent for it",
                content.torn_bytes,
                segment.path,
                extra={"action": "spill_torn", "file": str(segment.path), "bytes": content.torn_bytes},
            )

    def next_group(self) -> Group | None:
        """The next frames as a group; the same group until it is confirmed."""
        bodies: list[RawBody] = []
        size, end = 0, 0
        for frame in self._frames:
            more = self._decoded(frame)
            size += sum(len(body.body) for body in more)
            if bodies and (len(bodies) + len(more) > MAX_BODIES or size > MAX_BYTES):
                break
            bodies += more
            end = frame.end if more else end
        return Group(bodies, end) if bodies else None

    def confirm(self, group: Group) -> None:
        while self._frames and self._frames[0].end <= group.end:
            self._frames.popleft()
        # Nothing after an unreadable batch is recorded, so that the batch is found again after a restart.
        if self._record_up_to is None or group.end <= self._record_up_to:
            self.segment.advance(group.end, len(group.bodies))

    def _read(self) -> Scan:
        try:
            return self.segment.read()
        except SpillError as error:
            self.damage = str(error)
            return Scan([], None, 0)

    def _decoded(self, frame: Frame) -> list[RawBody]:
        try:
            return batch.decode(frame.blob)
        except UnreadableBatchError as error:
            self.damage = self.damage or f"at byte {frame.start}: {error}"
            self._record_up_to = min(self._record_up_to or frame.start, frame.start)
            return []


def _log_damage(kept: Path, damage: str) -> None:
    log.error(
        "a segment of spilled webhooks is damaged (%s): its readable part is in Redis, and the file is kept as %s",
        damage,
        kept,
        extra={"action": "spill_corrupt", "file": str(kept), "reason": damage},
    )
