"""Sealed segments of the history: made of the old end of the stream, and only changed to forget a person.

The hash `history:segment:{id}` has the fields b0, b1 ... (blocks.py), t0, t1 ... (token_index.py), and l for
outcomes whose events are in earlier segments. The hash `history:segments` has a `SegmentInfo` for each. The id
of a segment is that of its first stream entry, so that sealing the same entries twice gives the same segment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from broker.history import blocks, token_index
from broker.history.blocks import BLOCK_ROWS
from broker.history.query import Position, Traced, TracedEvent
from broker.history.records import Block, EventRecord, Fate, OutcomeRecord, about
from broker.history.token_index import IndexBuilder, Tokens, of_keys

MAX_ROWS = 16_384
"""About how many events a segment has at most; at most 65,536."""

_BUCKETS_TOGETHER = 16
"""Buckets of the index that are packed before other tasks may run."""

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


class SegmentBuilder:
    """Collects the rows of stream entries, oldest first, and makes a segment of them."""

    def __init__(self, tokens: Tokens, partition: int) -> None:
        self.rows = 0
        self.entries = 0
        self.first_id = self.last_id = ""
        self._tokens = tokens
        self._partition = partition
        self._events: list[tuple[Position, Fate, EventRecord]] = []
        self._outcomes: dict[str, list[OutcomeRecord]] = {}
        self._shown: set[str] = set()  # keys of the notifications of these events

    def add(self, entry_id: str, block: Block) -> None:
        """Add the rows of the next stream entry."""
        self.first_id, self.last_id = self.first_id or entry_id, entry_id
        self.entries += 1
        ms, number = map(int, entry_id.split("-"))
        partition, all_outcomes = self._partition, self._outcomes
        self._events += [
            (Position(ms, number, row, partition), *found) for row, found in enumerate(block.events) if found
        ]
        for outcome in block.outcomes:
            if outcome is not None:
                if outcome.key in all_outcomes:
                    all_outcomes[outcome.key].append(outcome)
                else:
                    all_outcomes[outcome.key] = [outcome]
        self.rows = len(self._events)

    def steps(self) -> Iterator[Segment | None]:
        """Make the segment; yields None after each part of the work, and at last the segment."""
        fields: dict[str, bytes] = {}
        buckets = token_index.buckets_for(len(self._events))
        index = IndexBuilder(buckets)
        starts: list[tuple[int, int, int]] = []
        names: set[str] = set()
        states: set[str] = set()
        for start in range(0, len(self._events), BLOCK_ROWS):
            rows = self._events[start : start + BLOCK_ROWS]
            traced = [self._traced(*row) for row in rows]
            fields[f"b{len(starts)}"] = blocks.packed(traced)
            starts.append(rows[0][0][:3])
            self._add_tokens([event for _, _, event in rows], start, index)
            names.update({name for _, _, event in rows for name in (event.source, event.event)})
            names.update({each.rule for event in traced for each in event.notifications})
            names.update({each.channel for event in traced for each in event.notifications})
            states.update(*[event.states(()) for event in traced if event.fate != "x"])
            yield None
        late = [each for key, outcomes in self._outcomes.items() if key not in self._shown for each in outcomes]
        if late:
            fields["l"] = blocks.packed_outcomes(late)
        for bucket, blob in index.packed():
            fields[f"t{bucket}"] = blob
            if bucket % _BUCKETS_TOGETHER == 0:
                yield None
        size = sum(_OVERHEAD * len(blob) + _FIELD_BYTES for blob in fields.values())
        first_ms, last_ms = int(self.first_id.split("-")[0]), int(self.last_id.split("-")[0])
        yield Segment(
            SegmentInfo(
                self.first_id,
                first_ms,
                last_ms,
                len(self._events),
                len(late),
                buckets,
                int(size),
                _encode(starts),
                frozenset(names),
                frozenset(states),
            ),
            fields,
        )

    def _traced(self, position: Position, fate: Fate, event: EventRecord) -> TracedEvent:
        """An event with those of its outcomes that are in this segment."""
        shown, outcomes = [], self._outcomes
        for each in event.notifications if fate == "n" else ():
            self._shown.add(each.key)
            shown.append(Traced(each.rule, each.channel, each.key, outcomes.get(each.key, ())))
        return TracedEvent(position, fate, event, shown, about(event))

    def _add_tokens(self, events: Sequence[EventRecord], start: int, index: IndexBuilder) -> None:
        """Add the tokens of events to the index. start: the number of the first event."""
        numbered = list(enumerate(events, start))
        terms = [term.lower() for _, event in numbered if not event.members for term in event.terms]
        index.add(
            self._tokens.of_terms(terms),
            [number for number, event in numbered if not event.members for _ in event.terms],
        )
        keyed = [(number, each.key) for number, event in numbered for each in event.notifications]
        keyed += [(number, key) for number, event in numbered if event.members for key in event.terms]
        index.add(of_keys([key for _, key in keyed]), [number for number, _ in keyed])
