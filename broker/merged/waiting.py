"""The waiting notifications of all partitions, merged by when they are due. A parameter `away` is described in
broker/merged/away.py."""

from __future__ import annotations

from broker.merged.away import Away, ask
from broker.redis.partitions import Partitions
from broker.waiting.listing import WaitingPage, WaitingQuery, read
from broker.waiting.notification import Position


async def read_waiting_notifications(
    partitions: Partitions, query: WaitingQuery, *, after: Position, away: Away | None = None
) -> WaitingPage:
    """Read the notifications that follow a position, at most the query's limit. Raises BrokerError."""
    pages = await ask(partitions, lambda redis: read(redis, query, after=after), away)
    # Beyond the first of these, another partition may have notifications that were not read.
    end = min((page.end for page in pages.values() if page.end), default=None)
    found = sorted(
        (
            waiting
            for page in pages.values()
            for waiting in page.notifications
            if not end or waiting.position <= end
        ),
        key=lambda waiting: waiting.position,
    )
    if len(found) > query.limit:
        return WaitingPage(found[: query.limit], found[query.limit - 1].position)
    return WaitingPage(found, end)
