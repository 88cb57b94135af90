"""Segment files, each locked by the one process that writes or drains it.

All functions here block. The lock is a flock, which the kernel releases however its holder ends; then another
process may adopt the segment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import structs

from broker.monitoring.spilled import Spilled
from receiver.storage.spill.errors import SpillDirError, SpillError
from receiver.storage.spill.segment import HEAD_BYTES, Head, Scan, frame, read_head, scan
from runtime.clock import now_ms

Sync = Callable[[int], None]
"""A function that returns when the data of a descriptor is on disk, such as os.fsync."""

SUFFIX = ".spill"
CORRUPT = ".corrupt"


class SegmentFile:
    """A segment that this process has locked."""

    def __init__(self, path: Path, descriptor: int, sync: Sync) -> None:
        self.path = path
        self.size = HEAD_BYTES
        self.head = Head()
        self._descriptor = descriptor
        self._sync = sync

    def append(self, blob: bytes, *, bodies: int, oldest_ms: int) -> None:
        """Write a frame and sync it. Raises SpillError; after that nothing may be appended to this segment."""
        try:
            _write(self._descriptor, frame(blob, bodies), self.size)
            self._sync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise _failed(self.path.parent, error) from None
        self.size = os.fstat(self._descriptor).st_size
        self._change(bodies=self.head.bodies + bodies, oldest_ms=self.head.oldest_ms or oldest_ms)

    def read(self) -> Scan:
        """Read the whole segment. Raises SpillError."""
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise _failed(self.path.parent, error) from None
        content, head = scan(data), read_head(data) or Head()
        # The head is neither synced nor checked. So bodies are counted again, and an offset that is not the end of
        # a frame is ignored: then everything is drained again, and deduplication removes the duplicates.
        drained = head.drained if head.drained in {frame.end for frame in content.frames} else HEAD_BYTES
        self.head = Head(
            drained=drained,
            bodies=sum(frame.bodies for frame in content.frames),
            bodies_drained=sum(frame.bodies for frame in content.frames if frame.end <= drained),
            oldest_ms=head.oldest_ms,
        )
        self.size = len(data)
        return content

    def advance(self, drained: int, bodies: int) -> None:
        """Record that Redis has everything up to this offset. If the record is lost, only duplicates follow."""
        self._change(drained=drained, bodies_drained=self.head.bodies_drained + bodies)

    def remove(self) -> None:
        """Delete the segment, after Redis has all of it."""
        with contextlib.suppress(OSError):  # it is drained again, which is harmless
            self.path.unlink()
        self.close()

    def set_aside(self) -> Path:
        """Keep a damaged segment for inspection; returns its new path."""
        kept = self.path
        with contextlib.suppress(OSError):  # it is drained again at the next start, which is harmless
            kept = self.path.rename(self.path.with_suffix(CORRUPT))
            _sync_directory(self.path.parent, self._sync)
        self.close()
        return kept

    def close(self) -> None:
        """Close the file and release the lock; the segment stays as it is."""
        os.close(self._descriptor)

    def _change(self, **changes: int) -> None:
        self.head = structs.replace(self.head, **changes)
        with contextlib.suppress(OSError):
            _write(self._descriptor, self.head.pack(), 0)


def create(directory: Path, sync: Sync) -> SegmentFile:
    """A new, empty segment whose name is on disk. Names sort by time. Raises SpillError."""
    while True:
        path = directory / f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise _failed(directory, error) from None
        if not _lock(path, descriptor):  # another process adopted it before it was locked
            continue
        try:
            _write(descriptor, Head().pack(), 0)
            _sync_directory(directory, sync)
        except OSError as error:
            SegmentFile(path, descriptor, sync).remove()
            raise _failed(directory, error) from None
        return SegmentFile(path, descriptor, sync)


def adopt(path: Path, sync: Sync) -> SegmentFile | None:
    """Lock a segment whose process has ended; None if another process holds it or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return None
    return SegmentFile(path, descriptor, sync) if _lock(path, descriptor) else None


def segments(directory: Path) -> list[Path]:
    """All segments of all processes, the oldest first. Raises SpillError."""
    return [path for path in _listed(directory) if path.suffix == SUFFIX]


def survey(directory: Path) -> Spilled:
    """Count the spilled webhooks of all processes in a directory. Raises SpillError."""
    paths = _listed(directory)
    heads = [head for path in paths if path.suffix == SUFFIX for head in _read_head_of(path)]
    waiting = [(head, size) for head, size in heads if head.bodies > head.bodies_drained]
    return Spilled(
        segments=len(heads),
        bodies=sum(head.bodies - head.bodies_drained for head, _ in waiting),
        bytes=sum(size for _, size in heads),
        oldest_ms=min((head.oldest_ms for head, _ in waiting if head.oldest_ms), default=0),
        corrupt=sum(path.suffix == CORRUPT for path in paths),
        at_ms=now_ms(),
    )


def location(directory: Path) -> str:
    """`host:directory`, which identifies a directory among those of all machines."""
    return f"{socket.gethostname()}:{directory}"


def prepare(directory: Path) -> None:
    """Create the directory, for this user alone, and try to write in it. Raises SpillDirError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        create(directory, os.fsync).remove()
    except (OSError, SpillError) as error:
        raise SpillDirError(
            f"receiver.spill_dir {directory} cannot be used: {_reason(error)}: "
            "set it to a directory on a local disk that the receiver may write"
        ) from None


def unusable_reason(directory: Path) -> str:
    """Why `prepare` would fail, as far as it can be found out without a change; "" for no reason."""
    existing = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    if not existing.is_dir():
        return f"receiver.spill_dir {directory} cannot be used: {existing} is not a directory"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"receiver.spill_dir {directory} cannot be used: {existing} is not writable"
    return ""


def _lock(path: Path, descriptor: int) -> bool:
    """Lock an open file. Closes it and returns False if another process holds it or it was removed meanwhile."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return True
    except OSError:
        pass
    os.close(descriptor)
    return False


def _write(descriptor: int, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, at)
        left, at = left[written:], at + written


def _sync_directory(directory: Path, sync: Sync) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError as error:
        raise _failed(directory, error) from None


def _read_head_of(path: Path) -> Iterator[tuple[Head, int]]:
    with contextlib.suppress(OSError), path.open("rb") as file:  # it may be gone already
        yield read_head(file.read(HEAD_BYTES)) or Head(), os.fstat(file.fileno()).st_size


def _failed(directory: Path, error: OSError) -> SpillError:
    return SpillError(f"the disk does not accept webhooks (receiver.spill_dir {directory}): {_reason(error)}")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
