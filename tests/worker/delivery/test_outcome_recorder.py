"""Outcomes of several jobs that are recorded in one step."""

from __future__ import annotations

import asyncio
import time

import pytest

from broker.monitoring import stats
from broker.queue import jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import Notification, NotifyJob
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from broker.steps.settle import Settled
from tests.broker.claiming import claim
from tests.names import KEYS
from worker.delivery.capacity.channel_runtime import ChannelRuntime, ChannelRuntimes
from worker.delivery.capacity.process_channels import ProcessChannels
from worker.delivery.outcome_recorder import OutcomeRecorder

NOW_MS = int(time.time() * 1000)
COUNT = 20


@pytest.fixture
async def job_ids(redis: Client) -> list[str]:
    """Return the ids of claimed jobs of one notification each."""
    notification = Notification("key", "rule", "event", RawBody(NOW_MS, "voucherify", "", b"{}"))
    for _ in range(COUNT):
        job_id = jobs.new_job_id(1)
        await redis.set(KEYS.job + job_id, jobs.encode(NotifyJob("sink", 1, NOW_MS, [notification])))
        await redis.zadd(KEYS.queue, {job_id: NOW_MS})
    await redis.hset(KEYS.stats_total, mapping={"created": COUNT, "waiting": COUNT})
    return await claim(redis, "me", count=COUNT, lease_ms=60_000)


@pytest.fixture
def runtime(redis: Client) -> ChannelRuntime:
    return ChannelRuntimes(redis, ProcessChannels(Partitions([redis]))).of("sink")


async def steps(redis: Client) -> int:
    commands = await redis.info("commandstats")
    return sum(commands.get(name, {}).get("calls", 0) for name in ("cmdstat_evalsha", "cmdstat_eval"))


async def test_outcomes_that_come_during_a_write_are_recorded_together(
    redis: Client, runtime: ChannelRuntime, job_ids: list[str]
) -> None:
    recorder, before = OutcomeRecorder(redis, "me"), await steps(redis)
    sent = [Settled(0, "sent")]
    left = await asyncio.gather(*(recorder.record(job_id, runtime, sent, []) for job_id in job_ids))
    assert left == [0] * COUNT
    assert await steps(redis) - before <= 4  # a script that Redis does not know yet is sent twice
    assert not await redis.keys(KEYS.job + "*")
    totals = await stats.read_totals(redis)
    assert (totals.sent, totals.waiting) == (COUNT, 0)


async def test_outcomes_whose_common_write_is_cancelled_are_recorded_by_themselves(
    redis: Client, runtime: ChannelRuntime, job_ids: list[str]
) -> None:
    recorder = OutcomeRecorder(redis, "me")
    writes = [
        asyncio.create_task(recorder.record(job_id, runtime, [Settled(0, "sent")], [])) for job_id in job_ids
    ]
    await asyncio.sleep(0)  # the first one writes alone, the second one all others after that
    writes[1].cancel()
    await asyncio.wait(writes)
    assert writes[1].cancelled()
    assert [write.result() for write in writes if not write.cancelled()] == [0] * (COUNT - 1)
    assert (await stats.read_totals(redis)).sent == COUNT - 1
