"""The closing of windows: whatever is lost or dies, each event is in exactly one digest."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from broker.monitoring import stats
from broker.queue import jobs
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions, connect_all
from broker.steps import digests
from runtime.task_cancellation import cancel_and_wait
from tests.digest_windows import close_windows, digest_keys
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.worker.intake.test_partitions import BODIES, TOGETHER, Loss, bodies, intake_of, received
from worker.intake.digest_closer import DigestCloser

CUSTOMERS = 5
"""The events of `bodies` have so many customers, each with a window."""


def losses() -> Iterator[Any]:
    """Yield each call of a closer: the claim, the reading of packs, the closing."""
    for call in range(1, 4):
        for is_run in (False, True):
            for dies in (False, True):
                name = f"call-{call}-{'run' if is_run else 'lost'}-{'worker-dies' if dies else 'worker-goes-on'}"
                yield pytest.param(call, is_run, dies, id=name)


async def gather(redis: Client, first: int = 0) -> None:
    entry = await received(redis, bodies(first))
    await intake_of(Partitions([redis]), 0, TOGETHER).process([entry])


async def sent_times(redis: Client) -> list[int]:
    """Return how often each event is in a notification of the queue, sorted."""
    times: Counter[bytes] = Counter()
    for job_id in await redis.zrange(KEYS.queue, 0, -1):
        job = jobs.decode(jobs.deserialize(await jobs.raw(redis, job_id.decode()))["a"][0])
        for notification in job.notifications:
            times.update(member.original for member in digests.members(notification.body.body))
    return sorted(times.values())


@pytest.mark.parametrize(("call", "is_run", "dies"), list(losses()))
async def test_a_lost_answer_and_a_death_leave_each_event_in_one_digest(
    redis_server: RedisServer, redis: Client, call: int, is_run: bool, dies: bool
) -> None:
    await gather(redis)
    await close_windows(redis)  # so that Redis knows the scripts
    await gather(redis, BODIES)
    await redis.zadd(KEYS.digests_ends, dict.fromkeys(await redis.zrange(KEYS.digests_ends, 0, -1), 1))
    with_loss = connect_all(RedisSettings(url=redis_server.url), retries=0)
    loss = Loss(with_loss, call=call, is_run=is_run, dies=dies)
    closing = asyncio.create_task(DigestCloser(with_loss.control, "first", lambda: None).close_due())
    happening = asyncio.create_task(loss.happened.wait())
    await asyncio.wait((closing, happening), return_when=asyncio.FIRST_COMPLETED)
    if not dies:
        with pytest.raises(BrokerError):
            await closing
        await DigestCloser(redis, "first", lambda: None).close_due()  # its lease lets it go on
    else:
        for lease in await redis.keys(f"{KEYS.digests_lease}*"):  # they end
            await redis.delete(lease)
    await cancel_and_wait([closing, happening])
    await with_loss.aclose()
    if dies:
        await close_windows(redis)
    assert await sent_times(redis) == [1] * 2 * BODIES
    assert await digest_keys(redis) == []
    totals = await stats.read_totals(redis)
    assert (totals.digested, totals.created, totals.waiting) == (2 * BODIES, 2 * CUSTOMERS, 2 * CUSTOMERS)
