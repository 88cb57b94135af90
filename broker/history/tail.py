"""Reads the stream `history`: the part that is not sealed yet. All functions raise BrokerError."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from broker.history.blocks import short_key
from broker.history.query import Position, Query, Traced, TracedEvent
from broker.history.records import Block, EventRecord, Fate, OutcomeRecord, UnreadableBlockError, about, unpacked
from broker.redis.client import Client
from broker.redis.errors import translated

_PAGE = 256
"""Blocks that are read together."""


class Outcomes:
    """The outcomes that were read so far, by the idempotency key. They are read newest first."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, list[OutcomeRecord]] = {}

    def add(self, outcomes: Sequence[OutcomeRecord | None]) -> None:
        """Add the outcomes of an older block."""
        for outcome in reversed(outcomes):
            if outcome is not None:
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
            if b"o" not in fields and ms > before.ms:
                continue
            block = _block(fields)
            outcomes.add(block.outcomes)
            for traced in _traced(block.events, oldest, outcomes):
                if traced.position < before and _matches(traced, query):
                    events.append(traced)
                    if len(events) == limit:
                        return Tail(events, is_full=True, oldest=oldest)
        if len(entries) < _PAGE:
            return Tail(events, is_full=False, oldest=oldest)
        last = f"({entries[-1][0].decode()}"


def _matches(traced: TracedEvent, query: Query) -> bool:
    if query.until_ms and traced.position.ms >= query.until_ms:
        return False
    return query.matches(traced) and query.finds(traced.event.terms, [each.key for each in traced.notifications])


def _block(fields: dict[bytes, bytes]) -> Block:
    """The rows of an entry; none where this version cannot read them."""
    try:
        return unpacked(fields)
    except UnreadableBlockError:
        return Block()


def _traced(
    events: Sequence[tuple[Fate, EventRecord] | None], start: Position, outcomes: Outcomes
) -> Iterator[TracedEvent]:
    """Yield the events of a block, newest first. start: the position of its first row."""
    for row in range(len(events) - 1, -1, -1):
        found = events[row]
        if found is None:
            continue
        fate, event = found
        planned = event.notifications if fate == "n" else ()
        yield TracedEvent(
            start._replace(row=row),
            fate,
            event,
            [Traced(each.rule, each.channel, each.key, outcomes.of(each.key)) for each in planned],
            about(event),
        )
