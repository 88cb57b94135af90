"""Find events in the history: what became of each, and of its notifications. Every function raises BrokerError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from msgspec import Struct

from broker.history.query import NEWEST, Position, Query, State, TracedEvent, position_of
from broker.merged.away import Away
from broker.merged.history import read_events
from broker.redis.partitions import Partitions
from inspector.operations.status import read_channels
from sources.search_terms import term

_BUDGET_S = 0.15
"""Seconds after which a page has what was found until then, and says how far back that is."""

_FOLLOWED = 500
"""Events that `follow` returns at most each time."""


class EventFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The events to list. Empty criteria match all events."""

    source: str = ""
    event: str = ""
    rule: str = ""
    channel: str = ""
    state: State | None = None
    since_ms: int = 0
    until_ms: int = 0
    search: str = ""
    """An id of the event, its customer, voucher or transaction, an e-mail address, or an idempotency key."""


class EventPage(Struct, frozen=True):
    """Some events, newest first."""

    events: Sequence[TracedEvent]
    held: frozenset[str]
    """Names of the channels that send nothing now."""

    cursor: str
    """Start of the next page; "" on the last page."""

    searched_to_ms: int
    """Not 0 if the page ended early because its time was over: events before this time were not searched."""


async def find_events(
    partitions: Partitions,
    event_filter: EventFilter,
    *,
    limit: int = 50,
    cursor: str = "",
    away: Away | None = None,
) -> EventPage:
    """Up to `limit` events that match, newest first, starting at `cursor`. Raises ValueError for another text."""
    held = await _held(partitions)
    before = position_of(cursor) if cursor else NEWEST
    query = query_of(event_filter, held)
    if query is None:
        return EventPage((), held, "", 0)
    page = await read_events(partitions, query, before=before, limit=limit, budget_s=_BUDGET_S, away=away)
    is_early = page.end is not None and len(page.events) < limit
    return EventPage(
        page.events, held, str(page.end) if page.end else "", page.end.ms if page.end and is_early else 0
    )


async def follow_events(
    partitions: Partitions, event_filter: EventFilter, *, every_s: float = 1.0, away: Away | None = None
) -> AsyncIterator[EventPage]:
    """Yield new events as they come, those of each look newest first; begins with events that come from now on.

    Its notifications are those of that moment: most are still queued.
    """
    last: Position | None = None
    while True:
        page = await find_events(partitions, event_filter, limit=_FOLLOWED, away=away)
        new = [traced for traced in page.events if last is not None and traced.position > last]
        if new:
            yield EventPage(new, page.held, "", 0)
        if page.events:
            last = max(last or page.events[0].position, page.events[0].position)
        elif last is None:
            last = Position(0, 0, 0, 0)
        await asyncio.sleep(every_s)


def query_of(event_filter: EventFilter, held: frozenset[str]) -> Query | None:
    """The filter as the history is asked; None where no event can match, since its search has no term."""
    searched = event_filter.search.strip()
    terms = frozenset(filter(None, (term(searched), searched.lower())))
    if event_filter.search and not terms:
        return None
    return Query(
        source=event_filter.source,
        event=event_filter.event,
        rule=event_filter.rule,
        channel=event_filter.channel,
        states=frozenset([event_filter.state] if event_filter.state else ()),
        held=held,
        since_ms=event_filter.since_ms,
        until_ms=event_filter.until_ms,
        terms=terms if searched else frozenset(),
    )


async def _held(partitions: Partitions) -> frozenset[str]:
    read = await read_channels(partitions, ())
    return frozenset(channel.name for channel in read.channels if channel.state(read.at_ms) != "closed")
