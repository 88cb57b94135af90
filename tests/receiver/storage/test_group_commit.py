"""Tests of group commit: many webhooks in one write, and the effect of a failed write."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic

import pytest

from broker.queue.batch import MAX_BODIES, MAX_BYTES, RawBody
from broker.redis.client import Client
from broker.redis.errors import Unavailable
from receiver.counters import Counters
from receiver.storage.group_commit import GroupCommit
from tests.receiver.serving import batches, serving
from tests.until import until


class Disk:
    """A disk that accepts batches when the test allows it."""

    def __init__(self) -> None:
        self.written: list[list[int]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def write(self, bodies: list[RawBody]) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.written.append([len(body.body) for body in bodies])


@pytest.fixture
async def disk() -> Disk:
    return Disk()


def raw(size: int = 1) -> RawBody:
    return RawBody(0, "voucherify", "", b"x" * size)


async def test_concurrent_webhooks_share_few_batches(redis: Client) -> None:
    async with serving(redis) as served:
        sent = [b'{"a":%d}' % number for number in range(300)]
        replies = await asyncio.gather(*map(served.send, sent))

    written = await batches(redis)
    assert {reply.status for reply in replies} == {202}
    assert sorted(body.body for bodies in written for body in bodies) == sorted(sent)
    assert len(written) < 100
    assert max(map(len, written)) <= MAX_BODIES


async def test_a_single_webhook_does_not_wait_for_others(redis: Client) -> None:
    async with serving(redis) as served:
        for _ in range(3):
            await served.send()

    assert [len(bodies) for bodies in await batches(redis)] == [1, 1, 1]


async def test_while_one_write_is_under_way_the_next_batch_fills(disk: Disk) -> None:
    commit = GroupCommit(disk.write, Counters(), timeout_s=5)
    first = commit.join(raw())
    await until(lambda: commit._batches == commit._batches.__class__())
    rest = [commit.join(raw()) for _ in range(MAX_BODIES + 1)]

    disk.gate.set()
    assert await first
    assert all(await asyncio.gather(*rest))
    assert [len(batch) for batch in disk.written] == [1, MAX_BODIES, 1]
    commit.close()


@pytest.mark.parametrize(("bodies", "is_written"), [(15, False), (16, True)])
async def test_only_a_large_batch_is_written_beside_another(disk: Disk, bodies: int, is_written: bool) -> None:
    started: list[int] = []

    async def write(bodies: list[RawBody]) -> None:
        started.append(len(bodies))
        await disk.write(bodies)

    commit = GroupCommit(write, Counters(), timeout_s=5, max_writes=2)
    first = commit.join(raw())
    await until(lambda: started == [1])
    rest = [commit.join(raw()) for _ in range(bodies)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert started == ([1, bodies] if is_written else [1])
    rest += [commit.join(raw()) for _ in range(MAX_BODIES)]  # at most two are written at the same time
    assert len(started) <= 2

    disk.gate.set()
    assert all(await asyncio.gather(first, *rest))
    commit.close()


async def test_a_defect_after_a_batch_concerns_no_other_of_its_webhooks(disk: Disk) -> None:
    disk.gate.set()
    commit = GroupCommit(disk.write, Counters(), timeout_s=5)
    commit.add(raw(), lambda _: 1 / 0)
    assert await commit.join(raw())
    commit.close()


async def test_a_batch_is_bounded_in_bytes_and_an_oversize_body_is_written_alone(disk: Disk) -> None:
    disk.gate.set()
    commit = GroupCommit(disk.write, Counters(), timeout_s=5)
    sizes = [10, MAX_BYTES - 10, 1, MAX_BYTES + 1, 1, 1]
    outcomes = [commit.join(raw(size)) for size in sizes]

    assert all(await asyncio.gather(*outcomes))
    assert disk.written == [[10, MAX_BYTES - 10], [1], [MAX_BYTES + 1], [1, 1]]
    commit.close()


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("a defect")], ids=repr)
async def test_a_failed_write_refuses_its_own_batch_and_no_other(disk: Disk, error: Exception) -> None:
    disk.gate.set()
    disk.error = error
    commit = GroupCommit(disk.write, Counters(), timeout_s=5)

    assert not any(await asyncio.gather(commit.join(raw()), commit.join(raw())))
    disk.error = None
    assert await commit.join(raw())
    assert commit.pending_bytes == 0
    commit.close()


async def test_no_webhook_waits_longer_than_the_timeout_however_many_batches_are_ahead(disk: Disk) -> None:
    commit = GroupCommit(disk.write, Counters(), timeout_s=1.0)
    loop = asyncio.get_running_loop()
    started_s = loop.time()

    outcomes = [commit.join(raw(MAX_BYTES)) for _ in range(10)]
    assert not any(await asyncio.gather(*outcomes))
    assert 0.99 <= loop.time() - started_s < 8  # one after another would take 10 s
    assert commit.pending_bytes == 0
    commit.close()


async def test_a_write_that_cannot_be_cancelled_delays_no_webhook(disk: Disk) -> None:
    stuck = asyncio.Event()

    async def write(bodies: list[RawBody]) -> None:
        if bodies[0].source == "stuck":
            with contextlib.suppress(asyncio.CancelledError):
                await stuck.wait()
            await stuck.wait()
        else:
            disk.gate.set()
            await disk.write(bodies)

    commit = GroupCommit(write, Counters(), timeout_s=0.1)

    assert await commit.join(RawBody(0, "stuck", "", b"x")) is False
    assert await commit.join(raw())
    stuck.set()
    await until(lambda: not commit._tasks)
    commit.close()


async def test_a_cancelled_request_cancels_no_other(disk: Disk) -> None:
    commit = GroupCommit(disk.write, Counters(), timeout_s=5)

    async def wait() -> bool:
        return await commit.join(raw())

    impatient, patient = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    impatient.cancel()
    disk.gate.set()

    assert await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
    commit.close()


async def test_no_request_is_left_waiting_at_the_end(disk: Disk) -> None:
    commit = GroupCommit(disk.write, Counters(), timeout_s=5)
    outcomes = [commit.join(raw(MAX_BYTES)) for _ in range(3)]
    await asyncio.sleep(0)

    commit.close()
    assert await asyncio.gather(*outcomes) == [False] * 3
    assert await commit.join(raw()) is False


async def test_a_slow_write_delays_no_other_batch_up_to_the_allowed_number_of_writes(disk: Disk) -> None:
    started: list[int] = []

    async def write(bodies: list[RawBody]) -> None:
        started.append(len(bodies))
        await disk.write(bodies)

    commit = GroupCommit(write, Counters(), timeout_s=5, max_writes=2, slow_after_s=lambda: 0.01)
    outcomes = []
    for expected in ([1], [1, 2], [1, 2]):
        outcomes += [commit.join(raw()) for _ in expected]
        joined_s = monotonic()
        await until(lambda joined_s=joined_s: monotonic() - joined_s > 0.05)  # it is slow by now
        assert started == expected
    outcomes += [commit.join(raw()), commit.join(raw())]  # the third batch fills, since two are under way

    disk.gate.set()
    assert all(await asyncio.gather(*outcomes))
    assert started == [1, 2, 4]
    assert commit.pending_bytes == 0
    commit.close()


async def test_writes_that_are_fast_are_made_one_after_another(disk: Disk) -> None:
    disk.gate.set()
    commit = GroupCommit(disk.write, Counters(), timeout_s=5, max_writes=16, slow_after_s=lambda: 1.0)
    first = commit.join(raw())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [commit.join(raw()) for _ in range(10)]
    assert all(await asyncio.gather(first, *rest))
    assert len(disk.written) <= 2
    commit.close()


async def test_no_request_is_left_waiting_at_the_end_of_several_writes(disk: Disk) -> None:
    commit = GroupCommit(disk.write, Counters(), timeout_s=5, max_writes=2, slow_after_s=lambda: 0.01)
    outcomes = [commit.join(raw(MAX_BYTES)) for _ in range(4)]
    await until(lambda: len(commit._under_way) == 2)

    commit.close()
    assert await asyncio.gather(*outcomes) == [False] * 4
    assert commit.pending_bytes == 0
