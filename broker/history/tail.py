"""Reads the stream `history`: the part that is not sealed yet. All functions raise BrokerError."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import accumulate, chain, repeat
from typing import NamedTuple

from broker.history.columns import EventColumns
from broker.history.query import KEY_CHARS, Position, Query, Traced, TracedEvent
from broker.history.records import EventRecord, OutcomeRecord, UnreadableBlockError
from broker.history.tail_blocks import EVENTS, Block, unpacked
from broker.history.token_index import checksums, short_key, short_keys, unpacked_checksums
from broker.redis.client import Client
from broker.redis.errors import translated

_PAGE = 256
"""Blocks that are read together."""


class Outcomes:
    """The outcomes that were read so far, by the idempotency key. They are read newest first."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, list[OutcomeRecord]] = {}

    def add(self, outcomes: Sequence[OutcomeRecord]) -> None:
        """Add the outcomes of an older block."""
        for outcome in reversed(outcomes):
            self._by_key.setdefault(short_key(outcome.key), []).append(outcome)

    def __bool__(self) -> bool:
        return bool(self._by_key)

    def of(self, key: str) -> list[OutcomeRecord]:
        """Return the outcomes of a notification, oldest first."""
        return self._by_key.get(short_key(key), [])[::-1]


class Tail(NamedTuple):
    """The events of the tail that match."""

    events: list[TracedEvent]
    is_full: bool
    """True if the page is full, so that older events of the tail were not read."""

    oldest: Position | None
    """The position of the oldest block that was read; None for an empty tail. It may be sealed meanwhile."""


async def read_tail(redis: Client, query: Query, *, before: Position, limit: int, outcomes: Outcomes) -> Tail:
    """Read up to `limit` events of the tail that match, before a position. Adds all outcomes on the way."""
    events: list[TracedEvent] = []
    last, oldest = "+", None
    while True:
        with translated():
            entries = await redis.xrevrange(redis.names.history, last, "-", count=_PAGE)
        for entry_id, fields in entries:
            ms, number = (int(part) for part in entry_id.split(b"-"))
            oldest = Position(ms, number, 0, redis.partition)
            if ms < query.since_ms:
                return Tail(events, is_full=False, oldest=oldest)
            if EVENTS in fields and ms > before.ms:
                continue
            block = _block(fields)
            outcomes.add(block.outcomes.rows() if block.outcomes else ())
            for traced in _traced(block, oldest, query, outcomes):
                if traced.position < before and _is_in_time(traced, query) and query.matches(traced):
                    events.append(traced)
                    if len(events) == limit:
                        return Tail(events, is_full=True, oldest=oldest)
        if len(entries) < _PAGE:
            return Tail(events, is_full=False, oldest=oldest)
        last = f"({entries[-1][0].decode()}"


def _is_in_time(traced: TracedEvent, query: Query) -> bool:
    return not query.until_ms or traced.position.ms < query.until_ms


def found_in(columns: EventColumns, query: Query) -> Iterable[int]:
    """Return the numbers of the events of a block that are searched for."""
    if not query.terms:
        return range(len(columns.id))
    sums, keys = {*checksums([*query.terms])}, {*_short(query.terms)}
    found = _places(unpacked_checksums(columns.checksums), sums, columns.terms)
    found |= _places(columns.short_keys(), keys, columns.notifications)
    return found | {place for place, linked in columns.linked.items() if not keys.isdisjoint(array("Q", linked))}


def _short(terms: Iterable[str]) -> array[int]:
    """The short keys that search terms may be."""
    return array("Q", short_keys([term for term in terms if len(term) in KEY_CHARS]))


def _places(values: array[int], wanted: Set[int], counts: Sequence[int]) -> set[int]:
    """The numbers of the events that have one of the wanted values. counts: how many values each event has."""
    if wanted.isdisjoint(values):
        return set()
    owners = chain.from_iterable(map(repeat, range(len(counts)), counts))
    return {owner for owner, value in zip(owners, values, strict=True) if value in wanted}


def _block(fields: dict[bytes, bytes]) -> Block:
    """The rows of an entry; none where this version cannot read them."""
    try:
        return unpacked(fields)
    except UnreadableBlockError:
        return Block()


def _traced(block: Block, start: Position, query: Query, outcomes: Outcomes) -> Iterator[TracedEvent]:
    """Yield the events of a block that are searched for, newest first. start: the position of its first row."""
    columns = block.events
    if columns is None:
        return
    names, size = columns.names, columns.key_bytes()
    first = [*accumulate(columns.notifications, initial=0)]
    for row in sorted(found_in(columns, query), reverse=True):
        event = EventRecord(
            columns.first_ms + columns.received[row],
            names[columns.source[row]],
            names[columns.event[row]],
            columns.id[row],
            columns.letters.get(row, ""),
            columns.members.get(row, 0),
        )
        keys = [columns.keys[size * at : size * (at + 1)].hex() for at in range(first[row], first[row + 1])]
        notifications = [
            Traced(names[columns.rule[at]], names[columns.channel[at]], key, outcomes.of(key))
            for at, key in enumerate(keys, first[row])
        ]
        yield TracedEvent(start._replace(row=row), block.fate(row), event, notifications, columns.about[row])
