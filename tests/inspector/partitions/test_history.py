"""The history over several partitions: merged by time, and without those that are away."""

from __future__ import annotations

import pytest

from broker.merged.away import Away
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from inspector.operations.history.events import EventFilter, find_events
from tests.broker.history.test_recording import take_in
from tests.broker.history.test_segments import seal_all
from tests.redis_server import RedisServer


async def take_in_everywhere(partitions: Partitions, names: str) -> None:
    """Take in one event after the other, each in the next partition."""
    for place, name in enumerate(names):
        await take_in(partitions[place % len(partitions)], name)


async def found(partitions: Partitions, limit: int, **criteria: str) -> list[str]:
    """Read all pages, one after the other."""
    names: list[str] = []
    cursor = ""
    while True:
        page = await find_events(partitions, EventFilter(**criteria), limit=limit, cursor=cursor)  # type: ignore[arg-type]
        names += [traced.event.id for traced in page.events]
        if not page.cursor:
            return names
        cursor = page.cursor


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_pages_are_merged_by_time(three_partitions: Partitions, limit: int) -> None:
    await take_in_everywhere(three_partitions, "abcdefg")
    await seal_all(three_partitions[1])
    # Events of the same millisecond are in the order of their partitions.
    assert sorted(await found(three_partitions, limit)) == list("abcdefg")
    assert await found(three_partitions, limit) == await found(three_partitions, 100)
    assert sorted(await found(three_partitions, limit, search="ada@example.com")) == list("abcdefg")


async def test_a_partition_that_is_away_is_left_out_and_named(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await take_in_everywhere(spread_partitions, "abc")
    own_redis.kill()
    away: Away = {}
    page = await find_events(spread_partitions, EventFilter(), away=away)
    assert {traced.event.id for traced in page.events} == {"a", "c"}
    assert list(away) == [1]
    with pytest.raises(Unavailable):
        await find_events(spread_partitions, EventFilter())
