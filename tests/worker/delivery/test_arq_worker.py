"""Jobs that arq would delete after an exception of their function, and that Hookline keeps."""

import asyncio
import time
from typing import Any

import pytest

from broker.queue import jobs
from broker.queue.batch import RawBody
from broker.queue.claims import Claimed
from broker.queue.jobs import Notification, NotifyJob, Packed
from broker.redis.client import Client
from broker.redis.clock import now_ms
from broker.redis.partitions import Partitions
from tests.names import KEYS
from tests.until import until
from worker.arq_worker import NotifyWorker
from worker.delivery.capacity.channel_runtime import ChannelRuntimes
from worker.delivery.capacity.job_room import JobRoom
from worker.delivery.capacity.process_channels import ProcessChannels
from worker.delivery.job_leases import Lease, Leases
from worker.delivery.outcome_recorder import OutcomeRecorder
from worker.delivery.partition import Partition
from worker.settings import Settings


class Failing:
    """A notifier that raises an exception."""

    fingerprint = "abcd"

    def __init__(self) -> None:
        self.starts: list[int] = []

    async def run(self, _partition: Partition, claimed: Claimed, _packed: Packed, _lease: Lease) -> None:
        self.starts.append(claimed.starts)
        raise ValueError("a fault of ours")

    async def dead_letter_job(self, _partition: Partition, _job_id: str, _error: str) -> None:
        raise AssertionError("nothing is unreadable here")


@pytest.fixture
async def job_id(redis: Client) -> str:
    body = RawBody(1, "voucherify", "", b"{}")
    job = NotifyJob("sink", 1, 1, [Notification("key", "rule", "event", body)])
    job_id = jobs.new_job_id(1)
    await redis.set(KEYS.job + job_id, jobs.encode(job))
    await redis.zadd(KEYS.queue, {job_id: time.time() * 1000})
    return job_id


def worker_of(redis: Client, notifier: Any) -> NotifyWorker:
    """A worker of one partition that is not running yet."""
    channels = ChannelRuntimes(redis, ProcessChannels(Partitions([redis])))
    partition = Partition(redis, "test", OutcomeRecorder(redis, "test"), channels)
    leases, room = Leases(redis, "test", lease_s=15), JobRoom(max_jobs=16)
    room.open(partition)
    return NotifyWorker(partition, Settings(), leases, room, notifier)


async def test_a_job_whose_function_raises_is_kept_and_run_again(redis: Client, job_id: str) -> None:
    notifier: Any = Failing()
    worker = worker_of(redis, notifier)
    running = asyncio.create_task(worker.main())
    await until(lambda: notifier.starts == [1, 2])
    await worker.drain(asyncio.Event(), 1.0)
    await running
    assert await redis.exists(KEYS.job + job_id)
    assert await redis.zscore(KEYS.queue, job_id)


async def test_a_job_that_is_claimed_during_the_stop_is_given_back(redis: Client, job_id: str) -> None:
    notifier: Any = Failing()
    worker = worker_of(redis, notifier)
    await now_ms(redis)  # so that the claim is the first command
    await redis.client_pause(300)
    running = asyncio.create_task(worker.main())
    await asyncio.sleep(0)  # the first claim is under way
    await worker.drain(asyncio.Event(), 1.0)
    await running
    assert not notifier.starts
    assert not await redis.exists(KEYS.in_progress + job_id)
    assert await redis.zscore(KEYS.queue, job_id) <= time.time() * 1000
