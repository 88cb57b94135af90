"""Makes a segment of the blocks of stream entries: puts their columns together, and adds outcomes to their events.

Everything is done for whole columns: a loop over events would take several times as much CPU.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import accumulate, chain, count, repeat
from operator import mul, sub
from typing import TypeVar

import msgspec

from broker.history import blocks, token_index
from broker.history.blocks import BLOCK_ROWS, SealedColumns
from broker.history.columns import KINDS
from broker.history.merged_columns import NEW, MergedEvents, MergedOutcomes
from broker.history.query import STATE_OF_KIND, State
from broker.history.segments import Segment, SegmentInfo, packed_starts, size_of
from broker.history.tail_blocks import Block
from broker.history.token_index import SHORT_BYTES, TOGETHER, IndexBuilder, Tokens, of_short_keys

_BUCKETS_TOGETHER = 16
"""Buckets of the index that are packed before other tasks may run."""

_FEW_NAMES = 64
"""Names of a segment up to which each of its blocks has all of them."""

_BYTES = [bytes([number]) for number in range(TOGETHER)]
_T = TypeVar("_T")


class SegmentBuilder:
    """Collects the blocks of stream entries, oldest first, and makes a segment of them."""

    def __init__(self, tokens: Tokens, partition: int) -> None:
        self.rows = 0
        self.entries = 0
        self.first_id = self.last_id = ""
        self._tokens = tokens
        self._partition = partition
        self._events = MergedEvents()
        self._outcomes = MergedOutcomes()

    def add(self, entry_id: str, block: Block) -> None:
        """Add the rows of a stream entry."""
        self.first_id = self.first_id or entry_id
        self.last_id = entry_id
        self.entries += 1
        if block.events is not None:
            ms, number = map(int, entry_id.split("-"))
            self._events.add(ms, number, block.events, block.fates)
            self.rows = len(self._events.id)
        if block.outcomes is not None:
            self._outcomes.add(block.outcomes)

    def steps(self) -> Iterator[Segment | None]:
        """Make the segment, once; yields None after each part of the work, and at last the segment."""
        fields: dict[str, bytes] = {}
        index = IndexBuilder(token_index.buckets_for(self.rows))
        info = yield from self._packed_rows(fields, index)
        for bucket, blob in index.packed():
            fields[f"t{bucket}"] = blob
            if bucket % _BUCKETS_TOGETHER == 0:
                yield None
        yield Segment(msgspec.structs.replace(info, size=size_of(fields.values())), fields)

    def _packed_rows(self, fields: dict[str, bytes], index: IndexBuilder) -> Generator[None, None, SegmentInfo]:
        """Add all rows to the fields and to the index. Returns the description of the segment without its size."""
        events, outcomes = self._events, self._outcomes
        # Sorting the index takes as much memory as the rows, which nothing needs any more then.
        del self._events, self._outcomes
        joined = _Joined(events, outcomes)
        yield None
        for start in range(0, self.rows, BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, self.rows)
            fields[f"b{start // BLOCK_ROWS}"] = blocks.packed_columns(joined.columns(start, end, self._partition))
            for first in range(start, end, TOGETHER):
                self._add_tokens(joined, first, min(first + TOGETHER, end), index)
            yield None
        late = [outcomes.record(place) for place in joined.late()]
        if late:
            fields["l"] = blocks.packed_outcomes(late)
        starts = [(events.ms[at], events.number[at], events.row[at]) for at in range(0, self.rows, BLOCK_ROWS)]
        return SegmentInfo(
            self.first_id,
            int(self.first_id.split("-")[0]),
            int(self.last_id.split("-")[0]),
            self.rows,
            len(late),
            index.buckets,
            0,
            packed_starts(starts),
            frozenset(events.numbers),
            joined.states(),
        )

    def _add_tokens(self, joined: _Joined, start: int, end: int, index: IndexBuilder) -> None:
        """Add the tokens of some events to the index."""
        events = joined.events
        first, last = joined.first_term[start], joined.first_term[end]
        tokens = self._tokens.of_checksums(bytes(events.checksums[4 * first : 4 * last]))
        index.add(tokens, start, _places(events.terms[start:end]))
        first, last = joined.first_notification[start], joined.first_notification[end]
        tokens = of_short_keys(events.keys[first:last].tobytes())
        index.add(tokens, start, _places(events.notifications[start:end]))
        for place, keys in _within(events.linked, start, end).items():
            index.add(of_short_keys(keys), start, bytes([place]) * (len(keys) // SHORT_BYTES))


class _Joined:
    """Events with their outcomes."""

    def __init__(self, events: MergedEvents, outcomes: MergedOutcomes) -> None:
        self.events = events
        self._outcomes = outcomes
        self._counts, self._order = _by_notification(events.keys.tolist(), outcomes.keys.tolist())
        """How many outcomes each notification has, and the places of these outcomes in the same order."""

        # Arrays, because an int takes 32 bytes beside its place in a list.
        self.first_term = array("I", accumulate(events.terms, initial=0))
        self.first_notification = array("I", accumulate(events.notifications, initial=0))
        """The number of the first notification of each event."""

        self._first_outcome = array("I", accumulate(self._counts, initial=0))

    def columns(self, start: int, end: int, partition: int) -> SealedColumns:
        """Return the events from `start` to `end`, at least one, as a block of the segment."""
        events, outcomes = self.events, self._outcomes
        first, last = self.first_notification[start], self.first_notification[end]
        places = self._order[self._first_outcome[first] : self._first_outcome[last]]
        ms, notifications, counts = events.ms[start:end], events.notifications[start:end], self._counts[first:last]
        # For each outcome when the step of its event was.
        since = _repeated(_repeated(ms, notifications), counts)
        names, (source, event, rule, channel) = _named(
            list(events.numbers),
            events.source[start:end],
            events.event[start:end],
            events.rule[first:last],
            events.channel[first:last],
        )
        return SealedColumns(
            first_ms=ms[0],
            partition=partition,
            names=names,
            ms=[0, *events.gap[start + 1 : end]],
            number=events.number[start:end],
            row=events.row[start:end],
            age=events.age[start:end],
            source=source,
            event=event,
            id=events.id[start:end],
            fate=events.fate[start:end],
            notifications=notifications,
            letters=_within(events.letters, start, end),
            members=_within(events.members, start, end),
            rule=rule,
            channel=channel,
            keys=events.keys[first:last].tobytes(),
            outcomes=counts,
            kind=[*map(outcomes.kind.__getitem__, places)],
            at=[*map(sub, map(outcomes.at.__getitem__, places), since)],
            took=[*map(outcomes.took.__getitem__, places)],
            status=[*map(outcomes.status.__getitem__, places)],
            text=_at(outcomes.text, places),
            next={
                number: outcomes.next[place] - since[number]
                for number, place in enumerate(places if outcomes.next else ())
                if place in outcomes.next
            },
            letter=_at(outcomes.letter, places),
            about=events.about[start:end],
        )

    def late(self) -> list[int]:
        """Return the places of the outcomes whose events are in earlier segments."""
        late = {*range(len(self._outcomes.kind))}
        late.difference_update(self._order)
        return sorted(late)

    def states(self) -> frozenset[str]:
        """Return the states of all events and notifications."""
        events, kinds = self.events, self._outcomes.kind
        last = {*kinds}
        if len(last) > 1:
            ends = accumulate(self._counts)
            last = {kinds[self._order[end - 1]] for end, has in zip(ends, self._counts, strict=True) if has}
        states: set[State] = {STATE_OF_KIND[KINDS[kind]] for kind in last}
        repeated = len(events.fate) - events.fate.count(NEW)
        joining = events.channel.count(events.numbers.get("", -1))
        if events.letters:
            states.add("dead")
        if repeated:
            states.add("duplicate")
        # Neither duplicates nor dead letters of bodies have notifications.
        if events.notifications.count(0) > repeated + len(events.letters):
            states.add("unmatched")
        if joining:
            states.add("digest")
        if self._counts.count(0) > joining:
            states.add("queued")
        return frozenset(states)


def _by_notification(keys: list[int], of_outcomes: list[int]) -> tuple[list[int], list[int]]:
    """How many outcomes each notification has, and the places of these outcomes, the oldest of each first."""
    places = dict(zip(of_outcomes, count(), strict=False))
    if len(places) == len(of_outcomes):  # each has one: most attempts are sent the first time
        found = [*map(places.get, keys)]
        return [0 if place is None else 1 for place in found], [place for place in found if place is not None]
    by_key: defaultdict[int, list[int]] = defaultdict(list)
    for place, key in enumerate(of_outcomes):
        by_key[key].append(place)
    groups: list[Sequence[int]] = [*map(by_key.get, keys, repeat(()))]
    return [*map(len, groups)], [*chain.from_iterable(groups)]


def _places(counts: Sequence[int]) -> bytes:
    """The place of each of up to 256 events as often as the count at its place says."""
    return b"".join(map(mul, _BYTES, counts))


def _repeated(values: Sequence[int], counts: Sequence[int]) -> Sequence[int]:
    """Each value as often as the count at its place says."""
    # Most events have one notification, and most notifications one outcome.
    if counts.count(1) == len(counts):
        return values
    return [*chain.from_iterable(map(repeat, values, counts))]


def _within(values: Mapping[int, _T], start: int, end: int) -> dict[int, _T]:
    """The values of a part of the events, by their places in it."""
    return {place - start: values[place] for place in range(start, end) if place in values} if values else {}


def _at(values: Mapping[int, _T], places: Sequence[int]) -> dict[int, _T]:
    """The values of some outcomes, by the places of these."""
    return {number: values[place] for number, place in enumerate(places) if place in values} if values else {}


def _named(names: list[str], *columns: list[int]) -> tuple[list[str], Sequence[list[int]]]:
    """The names that columns refer to, and columns that refer to these."""
    if len(names) <= _FEW_NAMES:
        return names, columns
    used = [*dict.fromkeys(chain.from_iterable(columns))]
    numbers = {before: number for number, before in enumerate(used)}
    return [names[before] for before in used], [[*map(numbers.__getitem__, column)] for column in columns]
