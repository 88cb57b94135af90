"""Tests of the facts about a source, with the reports of receivers in any order."""

from __future__ import annotations

from typing import Literal

import pytest

from broker.monitoring.source_health import SourceFacts, Streak, note_failures, read_sources, watch
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.redis.errors import Full
from tests.names import KEYS

NAME = "voucherify"


async def facts(redis: Client) -> SourceFacts:
    return (await read_sources(redis, [NAME]))[NAME]


async def redis_ms(redis: Client) -> int:
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def accept(redis: Client, *sources: str) -> None:
    bodies = [RawBody(0, source, "", b"{}") for source in sources or (NAME,)]
    await stream.append(redis, bodies, Confirmation())


def row(first_ms: int, last_ms: int, answers: int = 1, kind: Literal["failing", "refused"] = "failing") -> Streak:
    return Streak(NAME, kind, first_ms, last_ms, answers, 503 if kind == "failing" else 401)


async def test_every_source_of_a_batch_has_its_last_accepted_webhook_now(redis: Client) -> None:
    before = await redis_ms(redis)
    await accept(redis, "one", "two", "one")
    facts_read = await read_sources(redis, ["one", "two", "three"])
    assert facts_read["one"].last_accepted_ms == facts_read["two"].last_accepted_ms >= before
    assert facts_read["three"] == SourceFacts()


async def test_errors_of_several_receivers_are_one_streak_until_a_webhook_is_accepted(redis: Client) -> None:
    now = await redis_ms(redis)
    await note_failures(redis, [row(now - 50, now - 20, 3), row(now - 40, now - 10, 2, kind="refused")])
    await note_failures(redis, [row(now - 70, now - 30, 4)])
    facts_read = await facts(redis)
    assert (facts_read.failing_since_ms, facts_read.failing_last_ms, facts_read.failing_answers) == (
        now - 70,
        now - 20,
        7,
    )
    assert (facts_read.refused_since_ms, facts_read.refused_answers, facts_read.refused_status) == (
        now - 40,
        2,
        401,
    )

    await accept(redis)
    facts_read = await facts(redis)
    assert (facts_read.failing_since_ms, facts_read.failing_answers, facts_read.refused_since_ms) == (0, 0, 0)
    assert (facts_read.outage_since_ms, facts_read.outage_until_ms) == (now - 70, facts_read.last_accepted_ms)
    assert facts_read.outage_answers == 7


async def test_an_outage_that_is_reported_late_is_over(redis: Client) -> None:
    """Test receivers that report errors only when Redis is back and has accepted webhooks again."""
    await accept(redis)
    accepted = (await facts(redis)).last_accepted_ms
    await note_failures(redis, [row(accepted - 5000, accepted - 100, 9)])
    await note_failures(redis, [row(accepted - 7000, accepted - 200, 1)])  # the part that another receiver saw
    await note_failures(redis, [row(accepted - 3000, accepted - 10, 1, kind="refused")])
    facts_read = await facts(redis)
    assert (facts_read.failing_since_ms, facts_read.refused_since_ms) == (0, 0)
    assert (facts_read.outage_since_ms, facts_read.outage_until_ms) == (accepted - 7000, accepted)
    assert facts_read.outage_answers == 10


async def test_a_later_outage_replaces_an_earlier_one(redis: Client) -> None:
    await note_failures(redis, [row(1000, 2000)])
    await accept(redis)
    accepted = (await facts(redis)).last_accepted_ms
    await note_failures(redis, [row(accepted + 5, accepted + 6)])
    await accept(redis)
    facts_read = await facts(redis)
    assert (facts_read.outage_since_ms, facts_read.outage_answers) == (accepted + 5, 1)


async def test_a_streak_starts_after_the_last_success_of_another_receiver(redis: Client) -> None:
    await accept(redis)
    accepted = (await facts(redis)).last_accepted_ms
    await note_failures(redis, [row(accepted - 1000, accepted + 1000)])
    assert (await facts(redis)).failing_since_ms == accepted


async def test_a_second_report_keeps_the_times(redis: Client) -> None:
    now = await redis_ms(redis)
    for _ in range(2):
        await note_failures(redis, [row(now - 50, now - 20)])
    facts_read = await facts(redis)
    assert (facts_read.failing_since_ms, facts_read.failing_last_ms) == (now - 50, now - 20)


async def test_watching_begins_once(redis: Client) -> None:
    await watch(redis, [NAME], now_ms=5)
    await watch(redis, [NAME], now_ms=6)
    assert (await facts(redis)).watched_since_ms == 5


async def test_a_full_redis_accepts_facts_but_no_batch(redis: Client) -> None:
    await accept(redis)
    before = await redis.hgetall(KEYS.source + NAME)  # type: ignore[misc]
    await redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(Full):
            await accept(redis)
    finally:
        await redis.config_set("maxmemory", 0)
    assert await redis.hgetall(KEYS.source + NAME) == before  # type: ignore[misc]
