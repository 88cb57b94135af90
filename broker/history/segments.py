"""Sealed segments of the history: made of the old end of the stream, and only changed to forget a person.

The hash `history:segment:{id}` has the fields b0, b1 ... (blocks.py), t0, t1 ... (token_index.py), and l for
outcomes whose events are in earlier segments. The hash `history:segments` has a `SegmentInfo` for each. The id
of a segment is that of its first stream entry, so that sealing the same entries twice gives the same segment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

MAX_ROWS = 16_384
"""About how many events a segment has at most; at most 65,536."""

_OVERHEAD = 1.15
"""Bytes that Redis needs for a byte of these hashes, measured."""

_FIELD_BYTES = 64
"""Bytes that Redis needs for each field besides its value, measured."""


class SegmentInfo(Struct, frozen=True, array_like=True):
    """The description of a segment, by which a reader decides whether to read it."""

    id: str
    first_ms: int
    last_ms: int
    """The times of its first and last event, by the clock of Redis."""

    rows: int
    late: int
    """How many outcomes of earlier segments' events it has."""

    buckets: int
    size: int
    """About how much memory it takes in Redis."""

    packed_starts: bytes
    """The answer of `starts`, packed: a reader needs it of few segments."""

    names: frozenset[str]
    """The names of all sources, events, rules and channels in it."""

    states: frozenset[str]
    """The states of its events and notifications when it was sealed. Later outcomes may have changed them."""

    def starts(self) -> list[tuple[int, int, int]]:
        """Return the position of the first event of each block, without the partition."""
        try:
            return _decode_starts(self.packed_starts)
        except ValueError:
            return []

    def may_have(self, states: Collection[str]) -> bool:
        """Return whether it may have events in one of these states now. No states: any event will do."""
        return not states or not self.states.isdisjoint(states) or not self.states.isdisjoint(_OPEN)


class Segment(Struct, frozen=True):
    """A segment as it is written to Redis."""

    info: SegmentInfo
    fields: Mapping[str, bytes]


_OPEN = frozenset({"queued", "retrying", "waiting", "dead"})
"""The states that a later outcome may change. A dead letter may be replayed."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SegmentInfo).decode
_decode_starts = msgspec.msgpack.Decoder(list[tuple[int, int, int]]).decode


def packed_info(info: SegmentInfo) -> bytes:
    """Return the description of a segment as Redis stores it."""
    return _encode(info)


def unpacked_info(blob: bytes) -> SegmentInfo | None:
    """Return the description of a segment; None where this version cannot read it."""
    try:
        return _decode(blob)
    except (ValueError, RecursionError):
        return None


def packed_starts(starts: Sequence[tuple[int, int, int]]) -> bytes:
    """Return the answer of `SegmentInfo.starts` as it is stored."""
    return _encode(starts)


def size_of(blobs: Iterable[bytes]) -> int:
    """Return about how much memory a segment of these fields takes in Redis."""
    return int(sum(_OVERHEAD * len(blob) + _FIELD_BYTES for blob in blobs))
