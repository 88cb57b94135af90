"""Jobs that arq would delete after an exception of their function, and that Hookline keeps."""

import asyncio
import time
from typing import Any

import pytest

from broker.queue import jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import Claimed, Notification, NotifyJob, Packed
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from tests.names import KEYS
from tests.until import until
from worker.arq_worker import NotifyWorker
from worker.delivery.capacity.channel_runtime import ChannelRuntimes
from worker.delivery.capacity.process_channels import ProcessChannels
from worker.delivery.job_leases import Lease, Leases
from worker.delivery.job_room import JobRoom
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


async def test_a_job_whose_function_raises_is_kept_and_run_again(redis: Client, job_id: str) -> None:
    notifier: Any = Failing()

    channels = ChannelRuntimes(redis, ProcessChannels(Partitions([redis])))
    partition = Partition(redis, "test", OutcomeRecorder(redis, "test"), channels)
    leases, room = Leases(redis, "test", lease_s=15), JobRoom(max_jobs=16)
    room.open(partition)
    worker = NotifyWorker(partition, Settings(), leases, room, notifier)
    running = asyncio.create_task(worker.main())
    await until(lambda: notifier.starts == [1, 2])
    await worker.drain(1.0)
    await running
    assert await redis.exists(KEYS.job + job_id)
    assert await redis.zscore(KEYS.queue, job_id)
