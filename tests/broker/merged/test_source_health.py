"""The health of a source whose webhooks go to several partitions."""

from __future__ import annotations

from broker.merged.source_health import end_old_failures, merge_sources
from broker.monitoring.source_health import SourceFacts, Streak, note_failures, read_sources
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.clock import ask_ms
from broker.redis.confirmation import Confirmation
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions

NAME = "shop"


def merged(*each: SourceFacts) -> SourceFacts:
    return merge_sources({NAME: facts} for facts in each)[NAME]


async def read(partitions: Partitions) -> dict[int, dict[str, SourceFacts]]:
    async def one(redis: Client) -> dict[str, SourceFacts]:
        return await read_sources(redis, [NAME])

    return (await ask_all(partitions, one)).by_partition


async def test_errors_end_when_any_partition_accepts_a_webhook(three_partitions: Partitions) -> None:
    now_ms = await ask_ms(three_partitions.control)
    await note_failures(three_partitions.control, [Streak(NAME, "failing", now_ms - 900, now_ms - 100, 4, 503)])
    await note_failures(three_partitions.control, [Streak(NAME, "refused", now_ms - 800, now_ms - 50, 2, 401)])
    assert merge_sources((await read(three_partitions)).values())[NAME].failing_answers == 4

    await stream.append(three_partitions[2], [RawBody(0, NAME, "", b"{}")], Confirmation())
    facts = merge_sources((await read(three_partitions)).values())[NAME]
    assert facts.last_accepted_ms >= now_ms
    assert (facts.failing_since_ms, facts.refused_since_ms) == (0, 0)
    assert (facts.outage_since_ms, facts.outage_until_ms, facts.outage_answers) == (now_ms - 900, now_ms - 100, 4)

    for _ in range(2):  # it is safe to repeat
        await end_old_failures(three_partitions, await read(three_partitions))
    control = (await read(three_partitions))[0][NAME]
    assert (control.failing_since_ms, control.failing_last_ms, control.refused_since_ms) == (0, 0, 0)
    assert (control.outage_since_ms, control.outage_until_ms, control.outage_answers) == (
        now_ms - 900,
        now_ms - 100,
        4,
    )


async def test_errors_after_the_last_accepted_webhook_go_on(three_partitions: Partitions) -> None:
    await stream.append(three_partitions[1], [RawBody(0, NAME, "", b"{}")], Confirmation())
    now_ms = await ask_ms(three_partitions.control)
    await note_failures(three_partitions.control, [Streak(NAME, "failing", now_ms - 900, now_ms + 100, 4, 503)])
    await end_old_failures(three_partitions, await read(three_partitions))
    facts = merge_sources((await read(three_partitions)).values())[NAME]
    assert facts.failing_since_ms == facts.last_accepted_ms, "a webhook was accepted until then"
    assert (facts.failing_last_ms, facts.failing_answers) == (now_ms + 100, 4)


def test_errors_in_two_partitions_are_one_series() -> None:
    one = SourceFacts(failing_since_ms=50, failing_last_ms=90, failing_answers=2, failing_status=503)
    other = SourceFacts(failing_since_ms=40, failing_last_ms=70, failing_answers=3, failing_status=507)
    facts = merged(one, other, SourceFacts(last_accepted_ms=30))
    assert (facts.failing_since_ms, facts.failing_last_ms, facts.failing_answers, facts.failing_status) == (
        40,
        90,
        5,
        503,
    )


def test_outages_that_overlap_are_one_and_the_last_counts() -> None:
    first = SourceFacts(outage_since_ms=1, outage_until_ms=9, outage_answers=1, last_accepted_ms=500)
    second = SourceFacts(outage_since_ms=100, outage_until_ms=200, outage_answers=2)
    third = SourceFacts(outage_since_ms=150, outage_until_ms=300, outage_answers=4)
    facts = merged(third, first, second)
    assert (facts.outage_since_ms, facts.outage_until_ms, facts.outage_answers) == (100, 300, 6)
