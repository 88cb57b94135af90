"""Reads the stream `history`: the part that is not sealed yet. All functions raise BrokerError."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from broker.history.query import HistoryPage, Position, Query, Traced, TracedEvent
from broker.history.records import Block, EventRecord, Fate, OutcomeRecord, UnreadableBlockError, unpacked
from broker.redis.client import Client
from broker.redis.errors import translated

_PAGE = 256
"""Blocks that are read together."""


class Outcomes:
    """The outcomes that were read so far, by the idempotency key. They are read newest first."""

    def __init__(self) -> None:
        self._by_key: dict[str, list[OutcomeRecord]] = {}

    def add(self, outcomes: Sequence[OutcomeRecord | None]) -> None:
        """Add the outcomes of an older block."""
        for outcome in reversed(outcomes):
            if outcome is not None:
                self._by_key.setdefault(outcome.key, []).append(outcome)

    def of(self, key: str) -> list[OutcomeRecord]:
        """Return the outcomes of a notification, oldest first."""
        return self._by_key.get(key, [])[::-1]


async def read_tail(
    redis: Client, query: Query, *, before: Position, limit: int, outcomes: Outcomes
) -> HistoryPage:
    """Read up to `limit` events of the tail that match, before a position. Adds all outcomes on the way.

    `end` is None where the tail was read to its oldest block.
    """
    events: list[TracedEvent] = []
    last = "+"
    while True:
        with translated():
            entries = await redis.xrevrange(redis.names.history, last, "-", count=_PAGE)
        for entry_id, fields in entries:
            block = _block(fields)
            outcomes.add(block.outcomes)
            ms, number = (int(part) for part in entry_id.split(b"-"))
            if query.since_ms and ms < query.since_ms:
                return HistoryPage(events, None)
            for row, fate, event in _backwards(block.events):
                position = Position(ms, number, row, redis.partition)
                if position >= before or (query.until_ms and ms >= query.until_ms):
                    continue
                traced = _traced(position, fate, event, outcomes)
                if query.matches(traced) and query.finds(event.terms, [each.key for each in traced.notifications]):
                    events.append(traced)
                    if len(events) == limit:
                        return HistoryPage(events, position)
        if len(entries) < _PAGE:
            return HistoryPage(events, None)
        last = f"({entries[-1][0].decode()}"


def _block(fields: dict[bytes, bytes]) -> Block:
    """The rows of an entry; none where this version cannot read them."""
    try:
        return unpacked(fields)
    except UnreadableBlockError:
        return Block()


def _backwards(
    events: Sequence[tuple[Fate, EventRecord] | None],
) -> Iterator[tuple[int, Fate, EventRecord]]:
    for row in range(len(events) - 1, -1, -1):
        found = events[row]
        if found is not None:
            yield row, *found


def _traced(position: Position, fate: Fate, event: EventRecord, outcomes: Outcomes) -> TracedEvent:
    planned = event.notifications if fate == "n" else ()
    return TracedEvent(
        position,
        fate,
        event,
        [Traced(each.rule, each.channel, each.key, outcomes.of(each.key)) for each in planned],
    )
