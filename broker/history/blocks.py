"""The blocks of a sealed segment: up to `BLOCK_ROWS` events with the ends of their attempts, column by column.

A column holds one value for each event, notification or outcome. Values of a column are alike, so zstd needs few
bytes for them. What few rows have is in a dictionary by the number of its row. Of an idempotency key the first 8
bytes are kept, which is half of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, pairwise

import msgspec
import zstandard
from msgspec import Struct

from broker.history.columns import FATES, KINDS, NUMBER_OF_FATE, NUMBER_OF_KIND
from broker.history.query import Position, Traced, TracedEvent
from broker.history.records import EventRecord, OutcomeRecord, UnreadableBlockError
from broker.history.token_index import short_keys
from broker.queue.batch import compress_quickly, decompress

BLOCK_ROWS = 512
ABOUT_CHARS = 12
"""How many characters a segment keeps of the id that an event is about, so that rows of a list differ."""


class SealedColumns(Struct, array_like=True):
    """The columns of a block. Times are differences, so that they are small numbers."""

    first_ms: int
    partition: int
    names: list[str]
    """The names of sources, events, rules and channels, which columns refer to by their index."""

    # One for each event.
    ms: list[int]
    """The time of the step, less that of the event before."""

    number: list[int]
    row: list[int]
    age: list[int]
    """How long before the step the event was received, in ms."""

    source: list[int]
    event: list[int]
    id: list[str]
    fate: list[int]
    notifications: list[int]
    """How many notifications it has."""

    letters: dict[int, str]
    members: dict[int, int]

    # One for each notification.
    rule: list[int]
    channel: list[int]
    keys: bytes
    outcomes: list[int]
    """How many outcomes it has."""

    # One for each outcome.
    kind: list[int]
    at: list[int]
    """How long after the step of the event it was, in ms."""

    took: list[int]
    status: list[int]
    text: dict[int, str]
    next: dict[int, int]
    """When the next attempt is due, in ms after the step of the event."""

    letter: dict[int, str]

    # Added later: a block of an earlier version has none of it.
    about: list[str] = []
    """One for each event: the beginning of another id of it."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SealedColumns).decode
_encode_outcomes = msgspec.msgpack.Encoder().encode
_decode_outcomes = msgspec.msgpack.Decoder(list[OutcomeRecord]).decode


def packed_columns(columns: SealedColumns) -> bytes:
    """Return a block of these columns."""
    return compress_quickly(_encode(columns))


def packed(events: Sequence[TracedEvent]) -> bytes:
    """Return a block of these events, at least one. They are in the order of their positions."""
    positions, records = [traced.position for traced in events], [traced.event for traced in events]
    times = [position[0] for position in positions]
    notifications = [notification for traced in events for notification in traced.notifications]
    places = [ms for ms, traced in zip(times, events, strict=True) for _ in traced.notifications]
    outcomes = [
        (ms, outcome)
        for ms, notification in zip(places, notifications, strict=True)
        for outcome in notification.outcomes
    ]
    names = _numbered(
        [record.source for record in records],
        [record.event for record in records],
        [notification.rule for notification in notifications],
        [notification.channel for notification in notifications],
    )
    columns = SealedColumns(
        first_ms=times[0],
        partition=positions[0].partition,
        names=list(names),
        ms=[ms - before for before, ms in pairwise([times[0], *times])],
        number=[position[1] for position in positions],
        row=[position[2] for position in positions],
        age=[ms - record.received_at_ms for ms, record in zip(times, records, strict=True)],
        source=[names[record.source] for record in records],
        event=[names[record.event] for record in records],
        id=[record.id for record in records],
        fate=[NUMBER_OF_FATE[traced.fate] for traced in events],
        notifications=[len(traced.notifications) for traced in events],
        letters={place: record.letter for place, record in enumerate(records) if record.letter},
        members={place: record.members for place, record in enumerate(records) if record.members},
        rule=[names[notification.rule] for notification in notifications],
        channel=[names[notification.channel] for notification in notifications],
        keys=short_keys([notification.key for notification in notifications]),
        outcomes=[len(notification.outcomes) for notification in notifications],
        kind=[NUMBER_OF_KIND[outcome.kind] for _, outcome in outcomes],
        at=[outcome.at_ms - ms for ms, outcome in outcomes],
        took=[outcome.took_ms for _, outcome in outcomes],
        status=[outcome.status for _, outcome in outcomes],
        text={place: outcome.text for place, (_, outcome) in enumerate(outcomes) if outcome.text},
        next={place: outcome.next_ms - ms for place, (ms, outcome) in enumerate(outcomes) if outcome.next_ms},
        letter={place: outcome.letter for place, (_, outcome) in enumerate(outcomes) if outcome.letter},
        about=[traced.about[:ABOUT_CHARS] for traced in events],
    )
    return packed_columns(columns)


def _numbered(*columns: Sequence[str]) -> dict[str, int]:
    """Number the names in columns."""
    return {name: number for number, name in enumerate(dict.fromkeys(chain.from_iterable(columns)))}


class SealedBlock:
    """A block that was read. Its methods raise UnreadableBlockError and nothing else."""

    # An event is built when it is asked for: a search needs few of them.
    def __init__(self, blob: bytes) -> None:
        """Read a block that `packed` made."""
        try:
            self._columns = columns = _decode(decompress(blob))
            self._ms = list(accumulate(columns.ms, initial=columns.first_ms))[1:]
            self._first = list(accumulate(columns.notifications, initial=0))
            self._first_outcome = list(accumulate(columns.outcomes, initial=0))
        except (ValueError, IndexError, OverflowError, RecursionError, zstandard.ZstdError) as error:
            raise UnreadableBlockError(str(error)) from None

    def __len__(self) -> int:
        return len(self._ms)

    def __getitem__(self, place: int) -> TracedEvent:
        if not 0 <= place < len(self):
            raise IndexError(place)
        try:
            return self._event(place)
        except (ValueError, IndexError, OverflowError) as error:
            raise UnreadableBlockError(str(error)) from None

    def __iter__(self) -> Iterator[TracedEvent]:
        return (self[place] for place in range(len(self)))

    def __reversed__(self) -> Iterator[TracedEvent]:
        return (self[place] for place in range(len(self) - 1, -1, -1))

    def texts(self) -> str:
        """Return all texts of the block, one in each line."""
        columns = self._columns
        return "\n".join([*columns.names, *columns.id, *columns.text.values(), *columns.about])

    def _event(self, place: int) -> TracedEvent:
        columns, ms = self._columns, self._ms[place]
        names = columns.names
        event = EventRecord(
            ms - columns.age[place],
            names[columns.source[place]],
            names[columns.event[place]],
            columns.id[place],
            columns.letters.get(place, ""),
            columns.members.get(place, 0),
        )
        position = Position(ms, columns.number[place], columns.row[place], columns.partition)
        notifications = [
            self._notification(number, ms) for number in range(self._first[place], self._first[place + 1])
        ]
        about = columns.about[place] if columns.about else ""
        return TracedEvent(position, FATES[columns.fate[place]], event, notifications, about)

    def _notification(self, number: int, ms: int) -> Traced:
        columns = self._columns
        key = columns.keys[8 * number : 8 * number + 8].hex()
        outcomes = [
            OutcomeRecord(
                key,
                KINDS[columns.kind[place]],
                ms + columns.at[place],
                columns.took[place],
                columns.status[place],
                columns.text.get(place, ""),
                ms + columns.next[place] if place in columns.next else 0,
                columns.letter.get(place, ""),
            )
            for place in range(self._first_outcome[number], self._first_outcome[number + 1])
        ]
        return Traced(columns.names[columns.rule[number]], columns.names[columns.channel[number]], key, outcomes)


def packed_outcomes(outcomes: Sequence[OutcomeRecord]) -> bytes:
    """Return outcomes whose events are in earlier segments."""
    return compress_quickly(_encode_outcomes(outcomes))


def unpacked_outcomes(blob: bytes) -> list[OutcomeRecord]:
    """Return the outcomes that `packed_outcomes` packed. Raises UnreadableBlockError and nothing else."""
    try:
        return _decode_outcomes(decompress(blob))
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadableBlockError(str(error)) from None
