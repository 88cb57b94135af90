"""Tests of the counters by minute, as plots read them."""

from __future__ import annotations

import time

from broker.monitoring import stats
from broker.monitoring.stats import read_history
from broker.queue.batch import RawBody
from broker.queue.stream import append
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from tests.names import KEYS


async def count(redis: Client, minute: int, **counted: int) -> None:
    await redis.hset(f"{KEYS.stats_minute}{minute}", mapping=counted)


async def test_minutes_are_merged_into_points_at_fixed_times(redis: Client) -> None:
    now = int(time.time() // 60)
    start = now // 5 * 5 - 5
    for minute in range(start, start + 5):
        await count(redis, minute, accepted=10, sent=20, duplicate=1, dead_at_intake=2, dead=3)

    points = await read_history(redis, points=72, minutes=5)

    assert len(points) == 72
    point = next(p for p in points if p.at_ms == start * 60_000)
    assert (point.seconds, point.accepted, point.sent, point.duplicate, point.dead) == (300, 50, 100, 5, 25)
    assert all(point.at_ms % 300_000 == 0 for point in points)
    assert sum(point.accepted for point in points) == 50


async def test_the_current_minute_says_how_much_of_it_has_passed(redis: Client) -> None:
    await append(redis, [RawBody(1, "voucherify", "", b"{}")], Confirmation())

    points = await read_history(redis, points=60, minutes=1)

    assert sum(point.accepted for point in points[-2:]) == 1
    assert {point.seconds for point in points[:-1]} == {60}
    assert 0 <= points[-1].seconds <= 60


async def test_replays_of_older_letters_make_no_negative_deaths(redis: Client) -> None:
    now = int(time.time() // 60)
    await count(redis, now - 2, dead=-4, dead_at_intake=1)

    points = await read_history(redis, points=10, minutes=1)

    assert sum(point.dead for point in points) == 1


async def test_no_more_minutes_are_read_than_are_kept(redis: Client) -> None:
    points = await stats.read_history(redis, points=10_000, minutes=60)

    assert len(points) <= keys.STATS_TTL_S // 3600 + 1
