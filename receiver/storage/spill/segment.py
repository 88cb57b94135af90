"""What a segment file holds, as bytes in and bytes out. Pure, no I/O.

    head   magic (8), drained up to (u64), bodies (u32), bodies drained (u32), oldest received_at_ms (u64)
    frame  mark (4), length (u32), bodies (u32), CRC-32 of the blob (u32), CRC-32 of these 16 bytes (u32), blob
    frame  ...

A blob is one batch as it would lie in the stream. Numbers are big-endian. The head only helps: without it, frames
are drained again and the events' identities make duplicates of them. The frames are the truth, so each is checked.
"""

from __future__ import annotations

import struct
from zlib import crc32

from msgspec import Struct

_MAGIC = b"HKSPILL1"
_HEAD = struct.Struct(">8sQIIQ")
_MARK = b"\xf5HKF"
_CHECKED = struct.Struct(">4sIII")
_SUM = struct.Struct(">I")
_FRAME_BYTES = _CHECKED.size + _SUM.size

HEAD_BYTES = _HEAD.size


class Head(Struct, frozen=True):
    """How much is in a segment, and how much of it Redis has."""

    drained: int = HEAD_BYTES
    """Offset behind the last frame that Redis confirmed."""

    bodies: int = 0
    bodies_drained: int = 0
    oldest_ms: int = 0
    """When the first body came in, 0 for none."""

    def pack(self) -> bytes:
        """As it stands at the beginning of the file."""
        return _HEAD.pack(_MAGIC, self.drained, self.bodies, self.bodies_drained, self.oldest_ms)


class Frame(Struct, frozen=True):
    """One batch."""

    start: int
    end: int
    bodies: int
    blob: bytes


class Scan(Struct, frozen=True):
    """What can be read of a segment."""

    frames: list[Frame]
    damaged_at: int | None
    """Offset of the first bytes that are of no frame, though they were synced once; None for a sound segment."""

    torn_bytes: int
    """Length of the tail that a crash cut off within a write: nobody was told that it is kept."""


def read_head(data: bytes) -> Head | None:
    """The head; None where these bytes do not begin with one."""
    if len(data) < HEAD_BYTES:
        return None
    magic, *fields = _HEAD.unpack_from(data)
    return Head(*fields) if magic == _MAGIC else None


def frame(blob: bytes, bodies: int) -> bytes:
    """A frame to append."""
    checked = _CHECKED.pack(_MARK, len(blob), bodies, crc32(blob))
    return b"".join((checked, _SUM.pack(crc32(checked)), blob))


def scan(data: bytes) -> Scan:
    """Every sound frame of a whole segment, also those behind damage."""
    frames: list[Frame] = []
    damaged_at = None if read_head(data) or _is_torn_head(data) else 0
    at = HEAD_BYTES
    while at < len(data):
        found = _frame_at(data, at)
        if found is None:
            following = _next_frame(data, at + 1)
            if following is None and _is_torn(data, at):
                return Scan(frames, damaged_at, len(data) - at)
            damaged_at = at if damaged_at is None else damaged_at
            if following is None:
                return Scan(frames, damaged_at, 0)
            found = following
        frames.append(found)
        at = found.end
    return Scan(frames, damaged_at, 0)


def _frame_at(data: bytes, at: int) -> Frame | None:
    length, bodies, blob_sum = _announced(data, at)
    end = at + _FRAME_BYTES + length
    if length < 0 or end > len(data):
        return None
    blob = data[at + _FRAME_BYTES : end]
    return Frame(at, end, bodies, blob) if crc32(blob) == blob_sum else None


def _announced(data: bytes, at: int) -> tuple[int, int, int]:
    """Length, bodies and checksum as told by a sound frame head here; a length of -1 where there is none."""
    if at + _FRAME_BYTES > len(data):
        return -1, 0, 0
    mark, length, bodies, blob_sum = _CHECKED.unpack_from(data, at)
    (head_sum,) = _SUM.unpack_from(data, at + _CHECKED.size)
    if mark != _MARK or crc32(data[at : at + _CHECKED.size]) != head_sum:
        return -1, 0, 0
    return length, bodies, blob_sum


def _next_frame(data: bytes, at: int) -> Frame | None:
    while (at := data.find(_MARK, at)) >= 0:
        found = _frame_at(data, at)
        if found is not None:
            return found
        at += 1
    return None


def _is_torn(data: bytes, at: int) -> bool:
    """Whether the rest looks like a write that did not end: cut off, or never filled by the file system.

    What looks otherwise may have been synced and gone bad since: that is damage.
    """
    if len(data) - at < _FRAME_BYTES:
        return True
    length, _, _ = _announced(data, at)
    if length < 0:
        return not any(data[at:])
    blob = data[at + _FRAME_BYTES :]
    return len(blob) < length or not any(blob)


def _is_torn_head(data: bytes) -> bool:
    return len(data) < HEAD_BYTES or not any(data)
