"""The history of all partitions, merged by time. A parameter `away` is described in broker/merged/away.py."""

from __future__ import annotations

from broker.history.query import HistoryPage, Position, Query
from broker.history.reading import read
from broker.merged.away import Away, ask
from broker.redis.partitions import Partitions


async def read_events(
    partitions: Partitions,
    query: Query,
    *,
    before: Position,
    limit: int,
    budget_s: float,
    away: Away | None = None,
) -> HistoryPage:
    """Read up to `limit` events that match, newest first. Raises BrokerError.

    budget_s: about how many seconds it may take. After that the page has what was found until then.
    """
    pages = await ask(
        partitions, lambda redis: read(redis, query, before=before, limit=limit, budget_s=budget_s), away
    )
    # Below the highest of these, another partition may have events that were not read.
    floor = max((page.end for page in pages.values() if page.end), default=None)
    events = [event for page in pages.values() for event in page.events if not floor or event.position >= floor]
    events.sort(key=lambda event: event.position, reverse=True)
    if len(events) > limit:
        return HistoryPage(events[:limit], events[limit - 1].position)
    return HistoryPage(events, floor)
