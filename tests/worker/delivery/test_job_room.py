"""The room for jobs of one process, which several partitions share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from broker.queue.jobs import MAX_NOTIFICATIONS as FULL
from broker.redis.connection import Settings
from broker.redis.partitions import Partitions, connect_all
from runtime.task_cancellation import cancel_and_wait
from tests.ports import free_port
from tests.until import until
from worker.delivery.capacity.channel_runtime import ChannelRuntimes
from worker.delivery.capacity.job_room import JobRoom
from worker.delivery.capacity.process_channels import SLOW_S, ProcessChannels
from worker.delivery.outcome_recorder import OutcomeRecorder
from worker.delivery.partition import Partition
from worker.outcome import Sent


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
        room.start_job(partition, FULL)


def hang(partition: Partition, channel: str, jobs: int = 0) -> None:
    """Begin a send of a channel that does not end, and jobs."""
    partition.channels.of(channel).channel.start_send()
    for job in range(jobs):
        partition.channels.of(channel).start_job(f"{channel}{job}")


def flow(partition: Partition, channel: str, jobs: int = 0) -> None:
    """Make a send of a channel that ends, and begin jobs."""
    hang(partition, channel, jobs)
    partition.channels.of(channel).end_send(Sent())


def free(room: JobRoom, partition: Partition) -> float:
    return room.free(partition) / FULL


async def test_a_partition_may_use_all_of_the_room_while_the_others_have_no_more_jobs(
    room: JobRoom, read: list[Partition]
) -> None:
    start(room, read[1], 2)
    assert free(room, read[0]) == 6


async def test_a_partition_may_always_run_one_job(room: JobRoom, read: list[Partition]) -> None:
    start(room, read[0], 8)
    assert [free(room, partition) for partition in read] == [0, 1, 1]
    start(room, read[1], 1)
    assert free(room, read[1]) == 0


async def test_eight_small_jobs_take_as_much_room_as_a_full_one(room: JobRoom, read: list[Partition]) -> None:
    for _ in range(8):
        room.start_job(read[0], 1)
    assert free(room, read[0]) == 7
    assert room.running() == 8


async def test_partitions_with_more_jobs_get_equal_shares(room: JobRoom, read: list[Partition]) -> None:
    for partition in read[:2]:
        room.note_claim(partition, left_jobs=True)
    assert free(room, read[0]) == 4
    start(room, read[0], 4)
    start(room, read[1], 2)
    assert [free(room, partition) for partition in read[:2]] == [0, 2]
    room.note_claim(read[1], left_jobs=False)
    assert free(room, read[0]) == 2


async def test_a_partition_that_does_not_claim_any_more_keeps_no_share(
    room: JobRoom, read: list[Partition]
) -> None:
    room.note_claim(read[1], left_jobs=True)
    assert free(room, read[0]) == 4
    await until(lambda: free(room, read[0]) == 8)


async def test_jobs_whose_outcomes_wait_for_redis_take_no_room_of_other_partitions(
    room: JobRoom, read: list[Partition]
) -> None:
    cut_off = read[2]
    start(room, cut_off, 8)
    for partition in read:
        flow(partition, "sink")
    for n in range(8):
        cut_off.channels.of("sink").start_job(f"job-{n}")
    await until(lambda: room.is_full(read[0], "sink", FULL))
    recording = asyncio.create_task(cut_off.recorder.record("job-0.1", cut_off.channels.of("sink"), [], []))
    await until(cut_off.recorder.is_behind)
    assert free(room, read[0]) == 8
    assert not room.is_full(read[0], "sink", FULL)
    assert room.for_channel(read[0], "sink") == 2
    assert room.for_channel(cut_off, "sink") == 0
    await cancel_and_wait([recording])


async def test_slow_jobs_of_all_partitions_count_against_the_limit_of_a_channel(
    room: JobRoom, read: list[Partition]
) -> None:
    for partition in read[:2]:
        start(room, partition, 2)
        flow(partition, "sink", jobs=2)
    assert not room.is_full(read[1], "sink", FULL)

    def is_full() -> bool:
        flow(read[0], "sink")
        return room.is_full(read[1], "sink", FULL)

    await until(is_full)
    assert not room.is_full(read[2], "sink", FULL)  # which runs no job of it yet
    assert not room.is_full(read[2], "other", FULL)
    assert free(room, read[2]) == 8


async def test_a_channel_runs_few_jobs_until_a_send_ends(room: JobRoom, read: list[Partition]) -> None:
    here = read[0]
    hang(here, "sink", jobs=1)
    assert not room.is_full(here, "sink", FULL)
    here.channels.of("sink").start_job("one that waits")
    assert room.is_full(here, "sink", FULL)
    waiting = asyncio.create_task(here.channels.of("sink").channel.moves(room.patience_s(here)))
    await asyncio.sleep(0)
    flow(here, "sink")
    assert await waiting
    assert not room.is_full(here, "sink", FULL)


async def test_a_channel_that_hung_runs_few_jobs_until_a_later_send_ends(
    room: JobRoom, read: list[Partition]
) -> None:
    here, channel = read[0], read[0].channels.of("sink").channel
    for _ in range(2):
        hang(here, "sink", jobs=2)
    assert not await channel.moves(0.1)
    await asyncio.sleep(SLOW_S)
    for _ in range(2):
        here.channels.of("sink").end_send(Sent())
        assert room.is_full(here, "sink", FULL)
    flow(here, "sink")
    assert not room.is_full(here, "sink", FULL)


async def test_channels_that_hang_leave_the_room_to_the_others_however_many_there_are(
    room: JobRoom, read: list[Partition]
) -> None:
    here, names = read[0], [f"hangs{n}" for n in range(40)]
    for name in names:
        while not room.is_full(here, name, FULL):
            start(room, here, 1)
            hang(here, name, jobs=1)
    running = [here.channels.of(name).jobs() / FULL for name in names]
    assert running[:5] == [2, 2, 2, 2, 1]
    assert set(running[5:]) == {1}
    assert free(room, here) == 8
    assert {room.for_channel(here, name) for name in names} == {0}


async def test_many_small_jobs_of_a_fast_channel_are_released_while_no_due_job_waits(
    room: JobRoom, read: list[Partition]
) -> None:
    here = read[0]
    runtime = here.channels.of("sink")
    assert room.for_channel(here, "sink") == 2
    flow(here, "sink")
    assert room.for_channel(here, "sink") == 4
    runtime.start_job("small", size=1)
    runtime.end_job("small")
    assert room.for_channel(here, "sink") == 256
    room.note_claim(here, left_jobs=True)
    assert room.for_channel(here, "sink") == 32
    room.note_claim(here, left_jobs=False)
    runtime.channel.pacer.reload(1.0)
    assert room.for_channel(here, "sink") == 3
