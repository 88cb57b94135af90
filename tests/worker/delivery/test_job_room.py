"""The room for jobs of one process, which several partitions share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from broker.redis.connection import Settings
from broker.redis.partitions import Partitions, connect_all
from runtime.task_cancellation import cancel_and_wait
from tests.ports import free_port
from tests.until import until
from worker.delivery.capacity.channel_runtime import ChannelRuntimes
from worker.delivery.capacity.job_room import JobRoom
from worker.delivery.capacity.process_channels import ProcessChannels
from worker.delivery.outcome_recorder import OutcomeRecorder
from worker.delivery.partition import Partition


@pytest.fixture
async def away() -> AsyncIterator[Partitions]:
    """Three partitions of a Redis that is not reachable."""
    partitions = connect_all(Settings(url=f"redis://127.0.0.1:{free_port()}", partitions=3), retries=0)
    yield partitions
    await partitions.aclose()


@pytest.fixture
def room() -> JobRoom:
    return JobRoom(max_jobs=8)


@pytest.fixture
def read(away: Partitions, room: JobRoom) -> list[Partition]:
    channels = ProcessChannels(away)
    partitions = [
        Partition(redis, "w", OutcomeRecorder(redis, "w"), ChannelRuntimes(redis, channels)) for redis in away
    ]
    for partition in partitions:
        room.open(partition)
    return partitions


def start(room: JobRoom, partition: Partition, count: int) -> None:
    for _ in range(count):
        room.start_job(partition)


async def test_a_partition_may_use_all_of_the_room_while_the_others_have_no_more_jobs(
    room: JobRoom, read: list[Partition]
) -> None:
    start(room, read[1], 2)
    assert room.free(read[0]) == 6


async def test_a_partition_may_always_run_one_job(room: JobRoom, read: list[Partition]) -> None:
    start(room, read[0], 8)
    assert [room.free(partition) for partition in read] == [0, 1, 1]
    start(room, read[1], 1)
    assert room.free(read[1]) == 0


async def test_partitions_with_more_jobs_get_equal_shares(room: JobRoom, read: list[Partition]) -> None:
    for partition in read[:2]:
        room.note_claim(partition, left_jobs=True)
    assert room.free(read[0]) == 4
    start(room, read[0], 4)
    start(room, read[1], 2)
    assert [room.free(partition) for partition in read[:2]] == [0, 2]
    room.note_claim(read[1], left_jobs=False)
    assert room.free(read[0]) == 2


async def test_a_partition_that_does_not_claim_any_more_keeps_no_share(
    room: JobRoom, read: list[Partition]
) -> None:
    room.note_claim(read[1], left_jobs=True)
    assert room.free(read[0]) == 4
    await until(lambda: room.free(read[0]) == 8)


async def test_jobs_whose_outcomes_wait_for_redis_take_no_room_of_other_partitions(
    room: JobRoom, read: list[Partition]
) -> None:
    cut_off = read[2]
    start(room, cut_off, 8)
    for n in range(8):
        cut_off.channels.of("sink").start_job(f"job-{n}", is_probe=False)
    await until(lambda: room.is_full(read[0], "sink"))
    recording = asyncio.create_task(cut_off.recorder.record("job-0.1", cut_off.channels.of("sink"), [], []))
    await until(cut_off.recorder.is_behind)
    assert room.free(read[0]) == 8
    assert not room.is_full(read[0], "sink")
    assert room.for_channel(read[0], "sink") == 4
    assert room.for_channel(cut_off, "sink") == 0
    await cancel_and_wait([recording])


async def test_slow_jobs_of_all_partitions_count_against_the_limit_of_a_channel(
    room: JobRoom, read: list[Partition]
) -> None:
    for n, partition in enumerate(read[:2]):
        start(room, partition, 2)
        for job in range(2):
            partition.channels.of("sink").start_job(f"job-{n}{job}", is_probe=False)
    assert not room.is_full(read[2], "sink")
    await until(lambda: room.is_full(read[2], "sink"))
    assert not room.is_full(read[2], "other")
    assert room.free(read[2]) == 8


async def test_slow_channels_together_leave_room_for_the_others(room: JobRoom, read: list[Partition]) -> None:
    here = read[0]
    for name in ("a", "b", "c"):
        here.channels.of(name).channel.start_send()  # which hangs
        start(room, here, 3)
        for job in range(3):
            here.channels.of(name).start_job(f"{name}{job}", is_probe=False)
    await until(lambda: here.channels.slow_jobs() == 9)
    assert [room.is_full(here, name) for name in ("a", "b", "c", "other")] == [True, True, True, False]
    assert [room.for_channel(here, name) for name in ("a", "b", "c")] == [0, 0, 0]
    assert room.free(here) == 7


async def test_many_small_jobs_of_a_fast_channel_are_released_while_no_due_job_waits(
    room: JobRoom, read: list[Partition]
) -> None:
    here = read[0]
    runtime = here.channels.of("sink")
    assert room.for_channel(here, "sink") == 4
    runtime.start_job("small", is_probe=False, size=1)
    runtime.end_job("small")
    assert room.for_channel(here, "sink") == 128
    room.note_claim(here, left_jobs=True)
    assert room.for_channel(here, "sink") == 4
    room.note_claim(here, left_jobs=False)
    runtime.channel.pacer.reload(1.0)
    assert room.for_channel(here, "sink") == 3
