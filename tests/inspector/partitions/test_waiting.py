"""Waiting notifications of several partitions: listed by when they are due, changed where they wait."""

from __future__ import annotations

import pytest

from broker.merged.away import Away
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from broker.waiting.notification import WaitingNotification
from inspector.operations.waiting.change import change
from inspector.operations.waiting.find import WaitingFilter, find_waiting
from tests.inspector.operations.waiting_notifications import add_retries
from tests.redis_server import RedisServer


async def found(partitions: Partitions, limit: int) -> list[WaitingNotification]:
    """Read all pages, one after the other."""
    notifications: list[WaitingNotification] = []
    cursor = ""
    while True:
        page = await find_waiting(partitions, WaitingFilter(), {}, limit=limit, cursor=cursor)
        notifications += page.notifications
        if not page.cursor:
            return notifications
        cursor = page.cursor


def keys_of(notifications: list[WaitingNotification]) -> list[str]:
    return [each.notification.key for each in notifications if each.notification]


@pytest.mark.parametrize("limit", [1, 4, 100])
async def test_pages_are_merged_by_when_they_are_due(three_partitions: Partitions, limit: int) -> None:
    keys = await add_retries(three_partitions, 8, 3)
    notifications = await found(three_partitions, limit)
    assert sorted(keys_of(notifications)) == keys
    times = [each.position.due_ms for each in notifications]
    assert times == sorted(times)
    assert {each.position.partition for each in notifications} == {0, 1, 2}


async def test_a_partition_that_is_away_is_named_and_the_others_are_changed(
    spread_partitions: Partitions, own_redis: RedisServer
) -> None:
    await add_retries(spread_partitions, 3, 1)
    places = [each.place for each in await found(spread_partitions, 10)]
    own_redis.kill()
    away: Away = {}
    page = await find_waiting(spread_partitions, WaitingFilter(), {}, away=away)
    assert (len(page.notifications), list(away)) == (2, [1])
    with pytest.raises(Unavailable):
        await find_waiting(spread_partitions, WaitingFilter(), {})
    results = await change(spread_partitions, "cancel", places, by="ann")
    assert [(each.place.partition, each.outcome) for each in results] == [(0, "done"), (1, "away"), (2, "done")]
