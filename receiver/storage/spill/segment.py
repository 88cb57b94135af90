"""The format of segment files. Pure, no I/O.

    head   magic (8), drained up to (u64), bodies (u32), bodies drained (u32), oldest received_at_ms (u64)
    frame  mark (4), length (u32), bodies (u32), CRC-32 of the blob (u32), CRC-32 of these 16 bytes (u32), blob
    frame  ...

A blob is one batch in the format of the stream. Numbers are big-endian. The head is an optimization: without it,
frames are drained again, and deduplication removes the duplicates. The frames hold the data, so each has
checksums.
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
    """The head of a segment: its number of bodies, and how many of them Redis has."""

    drained: int = HEAD_BYTES
    """Offset after the last frame that Redis confirmed."""

    bodies: int = 0
    bodies_drained: int = 0
    oldest_ms: int = 0
    """Time of receipt of the first body (ms since 1970), 0 for none."""

    def pack(self) -> bytes:
        """The head as the first bytes of the file."""
        return _HEAD.pack(_MAGIC, self.drained, self.bodies, self.bodies_drained, self.oldest_ms)


class Frame(Struct, frozen=True):
    """A frame, which holds one batch."""

    start: int
    end: int
    bodies: int
    blob: bytes


class Scan(Struct, frozen=True):
    """The readable content of a segment."""

    frames: list[Frame]
    damaged_at: int | None
    """Offset of the first bytes that belong to no frame though they were synced; None for an intact segment."""

    torn_bytes: int
    """Length of the incomplete write at the end, after a crash. No webhook in it was answered 202."""


def read_head(data: bytes) -> Head | None:
    """The head of a segment, or None if the bytes do not begin with one."""
    if len(data) < HEAD_BYTES:
        return None
    magic, *fields = _HEAD.unpack_from(data)
    return Head(*fields) if magic == _MAGIC else None


def frame(blob: bytes, bodies: int) -> bytes:
    """The bytes of a frame with this blob."""
    checked = _CHECKED.pack(_MARK, len(blob), bodies, crc32(blob))
    return b"".join((checked, _SUM.pack(crc32(checked)), blob))


def scan(data: bytes) -> Scan:
    """Every intact frame of a segment, including those after damage."""
    frames: list[Frame] = []
    damaged_at = None if read_head(data) or _is_torn_head(data) else 0
    at = HEAD_BYTES
    while at < len(data):
        current = _frame_at(data, at)
        if current is None:
            following = _next_frame(data, at + 1)
            if following is None and _is_torn(data, at):
                return Scan(frames, damaged_at, len(data) - at)
            damaged_at = at if damaged_at is None else damaged_at
            if following is None:
                return Scan(frames, damaged_at, 0)
            current = following
        frames.append(current)
        at = current.end
    return Scan(frames, damaged_at, 0)


def _frame_at(data: bytes, at: int) -> Frame | None:
    length, bodies, blob_sum = _frame_head(data, at)
    end = at + _FRAME_BYTES + length
    if length < 0 or end > len(data):
        return None
    blob = data[at + _FRAME_BYTES : end]
    return Frame(at, end, bodies, blob) if crc32(blob) == blob_sum else None


def _frame_head(data: bytes, at: int) -> tuple[int, int, int]:
    """Length, bodies and checksum from the frame head at this offset; length -1 if no intact head is there."""
    if at + _FRAME_BYTES > len(data):
        return -1, 0, 0
    mark, length, bodies, blob_sum = _CHECKED.unpack_from(data, at)
    (head_sum,) = _SUM.unpack_from(data, at + _CHECKED.size)
    if mark != _MARK or crc32(data[at : at + _CHECKED.size]) != head_sum:
        return -1, 0, 0
    return length, bodies, blob_sum


def _next_frame(data: bytes, at: int) -> Frame | None:
    while (at := data.find(_MARK, at)) >= 0:
        candidate = _frame_at(data, at)
        if candidate is not None:
            return candidate
        at += 1
    return None


def _is_torn(data: bytes, at: int) -> bool:
    """True if the rest looks like an incomplete write: cut off, or never filled by the file system.

    Anything else may have been synced and damaged since.
    """
    if len(data) - at < _FRAME_BYTES:
        return True
    length, _, _ = _frame_head(data, at)
    if length < 0:
        return not any(data[at:])
    blob = data[at + _FRAME_BYTES :]
    return len(blob) < length or not any(blob)


def _is_torn_head(data: bytes) -> bool:
    return len(data) < HEAD_BYTES or not any(data)
