"""The redelivery of an event retries a dead digest of it that is at home in another partition."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from broker import dead_letters
from broker.dead_letters import died_at_notify
from broker.dead_letters.replay import retry_redelivered
from broker.queue import claims, held_bodies, jobs, stream
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import Partitions, connect_all
from broker.steps.settle import Settled
from sources import KINDS
from tests.digest_windows import close_windows
from tests.redis_server import RedisServer
from tests.settling import settle
from tests.worker.intake.test_partitions import BODIES, TOGETHER, bodies, intake_of, received, total
from worker.search_terms import terms_of

DIGESTS = 5
"""The events of `bodies` have so many customers."""


@pytest.fixture
async def partitions(redis_server: RedisServer) -> AsyncIterator[Partitions]:
    partitions = connect_all(RedisSettings(url=redis_server.url, partitions=4))
    yield partitions
    await partitions.aclose()


async def process(partitions: Partitions, number: int = 0) -> None:
    entry = await received(partitions[number], bodies())
    await intake_of(partitions, number, TOGETHER).process([entry])


async def let_digests_die(partitions: Partitions) -> None:
    """Close all digests, and let their notifications become dead letters."""
    for client in partitions:
        await close_windows(client)
        for claimed in (await claims.claim(client, "worker", count=100, lease_ms=60_000)).jobs:
            [packed] = jobs.deserialize(claimed.blob)["a"]
            outcomes = []
            for index, notification in enumerate(jobs.decode(packed).notifications):
                letter = died_at_notify(
                    notification,
                    "console",
                    reason="permanent",
                    error="refused",
                    error_class="Refused",
                    terms=terms_of(notification, KINDS),
                )
                outcomes.append(Settled(index, "dead", letter))
            await settle(client, "worker", claimed.id, outcomes)


async def marked(partitions: Partitions) -> int:
    return sum([await client.scard(client.names.dead_to_retry) for client in partitions])


async def dead(partitions: Partitions) -> int:
    return sum([await dead_letters.count(client) for client in partitions])


async def test_a_dead_digest_in_another_partition_is_retried(partitions: Partitions) -> None:
    await process(partitions)
    await let_digests_die(partitions)
    assert await dead(partitions) == DIGESTS
    before = await total(partitions)

    await process(partitions, 1)

    after = await total(partitions)
    assert (await marked(partitions), after.created) == (DIGESTS, before.created)
    assert after.processed + after.duplicate == 2 * BODIES
    assert after.retried_on_redelivery >= DIGESTS
    assert [await retry_redelivered(client) for client in partitions].count(0) < len(partitions)
    assert await dead(partitions) == 0
    await process(partitions, 2)  # nothing is dead any more
    assert (await total(partitions)).retried_on_redelivery == after.retried_on_redelivery


async def test_redeliveries_of_events_without_dead_digests_are_duplicates(partitions: Partitions) -> None:
    await process(partitions)
    await process(partitions, 1)
    totals = await total(partitions)
    assert (totals.duplicate, totals.retried_on_redelivery, await marked(partitions)) == (BODIES, 0, 0)
    assert [await held_bodies.waiting_homes(client) for client in partitions] == [{}] * 4


async def test_a_redelivery_waits_for_the_partition_of_a_dead_digest_that_is_away(
    redis_server: RedisServer, own_redis: RedisServer
) -> None:
    shared = RedisSettings(url=redis_server.url, partitions=4)
    own = RedisSettings(url=own_redis.url, partitions=4, connect_timeout_s=0.5, socket_timeout_s=1)
    partitions = Partitions(
        [connect(own if number == 2 else shared, retries=0, partition=number) for number in range(4)]
    )
    await process(partitions)
    assert await partitions[2].zcard(partitions[2].names.digests_ends) > 0
    await let_digests_die(partitions)
    own_redis.stop()

    await process(partitions, 1)
    own_redis.start()
    assert await held_bodies.release(partitions[1], 2, most=100) == 0
    entries = await stream.read(partitions[1], "worker", count=100, block_ms=1)
    await intake_of(partitions, 1, TOGETHER).process(entries)

    assert await marked(partitions) == DIGESTS
    totals = await total(partitions)
    assert (totals.processed + totals.duplicate, totals.queued) == (2 * BODIES, 0)
    await partitions.aclose()
