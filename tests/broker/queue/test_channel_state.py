"""Tests of the circuit breaker, the pause and the rate of a channel, on a real Redis."""

import time

import pytest

from broker.queue import channel_state, claims, jobs
from broker.redis.client import Client
from broker.steps.settle import ChannelFeedback, Settled
from tests.broker.claiming import claim
from tests.names import KEYS
from tests.settling import settle
from tests.until import until

ME = "me"


async def new_job(redis: Client) -> str:
    """Add a job and claim it; its content does not matter here."""
    job_id = jobs.new_job_id(9)
    await redis.set(KEYS.job + job_id, b"job")
    await redis.zadd(KEYS.queue, {job_id: int(time.time() * 1000)})
    assert await claim(redis, ME, count=1, lease_ms=60_000) == [job_id]
    return job_id


class Sender:
    """Record notifications one after another, each with its feedback about the channel."""

    def __init__(self, redis: Client, job_id: str) -> None:
        self._redis = redis
        self._job_id = job_id
        self._index = 0

    async def __call__(self, *, succeeded: bool = False, failures: int = 0, wait_ms: int = 30_000) -> str:
        feedback = ChannelFeedback("sink", 3, wait_ms, 100_000, succeeded, failures)
        self._index += 1
        settled = [Settled(self._index - 1, "sent")]
        return (await settle(self._redis, ME, self._job_id, settled, feedback=feedback)).state


@pytest.fixture
async def send(redis: Client) -> Sender:
    return Sender(redis, await new_job(redis))


async def test_it_opens_after_consecutive_failures_and_a_success_resets_the_count(
    redis: Client, send: Sender
) -> None:
    assert await send(failures=2) == "closed"
    assert await send(succeeded=True, failures=2) == "closed"
    assert await send(failures=1) == "open"
    [channel] = await channel_state.read_channels(redis)
    assert (channel.failures, channel.opened, channel.state(int(time.time() * 1000))) == (3, 1, "open")
    assert 29_000 < channel.open_until_ms - time.time() * 1000 <= 30_000


async def test_failures_after_it_opened_change_nothing(redis: Client, send: Sender) -> None:
    await send(failures=3)
    before = await channel_state.read_channels(redis)
    assert await send(failures=60) == "open"
    assert await channel_state.read_channels(redis) == before


async def test_each_failed_probe_doubles_the_wait_up_to_a_limit(redis: Client, send: Sender) -> None:
    waits = []
    for _ in range(5):
        await send(failures=3)
        [channel] = await channel_state.read_channels(redis)
        waits.append(round((channel.open_until_ms - time.time() * 1000) / 1000))
        await redis.hset(KEYS.channel + "sink", "open_until_ms", 1)
    assert waits == [30, 60, 100, 100, 100]


async def test_while_it_is_open_jobs_are_held_and_then_a_single_one_probes(redis: Client, send: Sender) -> None:
    first, second = await new_job(redis), await new_job(redis)
    assert await channel_state.begin(redis, first, "sink") == "go"
    await send(failures=3)
    for job_id in (first, second):
        assert await channel_state.begin(redis, job_id, "sink") == "hold"
        await channel_state.hold(redis, ME, job_id, "sink")
    [held] = (await channel_state.release_held_jobs(redis, {})).channels
    assert (held.held, await redis.zcard(KEYS.queue)) == (2, 1)
    await redis.hset(KEYS.channel + "sink", "open_until_ms", 1)
    await channel_state.release_held_jobs(redis, {})
    [held] = (await channel_state.release_held_jobs(redis, {})).channels
    assert held.held == 1
    [probing] = await claim(redis, ME, count=9, lease_ms=60_000)
    [other] = {first, second} - {probing}
    assert await channel_state.begin(redis, other, "sink") == "hold"
    assert await channel_state.begin(redis, probing, "sink") == "probe"


async def test_a_probe_ends_with_its_job_and_what_is_no_job_gets_none(redis: Client, send: Sender) -> None:
    """Otherwise all jobs of the channel wait for half a minute, once for each."""
    jobs_held = {await new_job(redis), await new_job(redis)}
    await send(failures=3)
    for job_id in jobs_held:
        await channel_state.hold(redis, ME, job_id, "sink")
    await redis.zadd(KEYS.held_jobs + "sink", {b"\xff": 0, "gone.1": 1})
    await redis.hset(KEYS.channel + "sink", "open_until_ms", 1)
    await channel_state.release_held_jobs(redis, {})
    [removed] = await claim(redis, ME)
    [waiting] = jobs_held - {removed}
    assert await channel_state.begin(redis, waiting, "sink") == "hold"
    await redis.delete(KEYS.job + removed)
    assert await channel_state.begin(redis, waiting, "sink") == "probe"
    await redis.hset(KEYS.channel + "sink", "probe_job", "gone.1")
    await channel_state.release_held_jobs(redis, {})
    assert await claim(redis, ME) == [waiting]


async def test_held_jobs_and_a_pause_are_found_without_the_list_of_channels(redis: Client) -> None:
    job_id = await new_job(redis)
    await channel_state.hold(redis, ME, job_id, "sink")
    await channel_state.pause(redis, "other", by="ann")
    await redis.set(KEYS.channels, "another program wrote this")
    read = await channel_state.release_held_jobs(redis, {"sink": 5, "other": 5, "third": 5})
    assert {channel.name: channel.state(0) for channel in read.channels} == {"sink": "closed", "other": "paused"}
    assert await claim(redis, ME) == [job_id]


async def test_a_success_releases_all_held_jobs_and_counts_their_held_time(redis: Client, send: Sender) -> None:
    job_id = await new_job(redis)
    await send(failures=3)
    await channel_state.hold(redis, ME, job_id, "sink")
    held_since = await redis.zscore(KEYS.held_jobs + "sink", job_id)
    await until(lambda: time.time() * 1000 > held_since + 20)
    assert await send(succeeded=True) == "closed"
    await channel_state.release_held_jobs(redis, {})
    [claimed] = (await claims.claim(redis, ME, count=9, lease_ms=60_000)).jobs
    assert claimed.id == job_id
    assert 20 <= claimed.held_ms < 5000
    assert await channel_state.begin(redis, job_id, "sink") == "go"
    assert (await channel_state.release_held_jobs(redis, {})).channels == []
    assert not await redis.exists(KEYS.channels, KEYS.channel + "sink", KEYS.held_jobs + "sink")


async def test_a_paused_channel_accepts_nothing_until_it_is_resumed(redis: Client, send: Sender) -> None:
    job_id = await new_job(redis)
    assert [await channel_state.pause(redis, "sink", by="ann") for _ in range(2)] == [True, False]
    assert await channel_state.begin(redis, job_id, "sink") == "hold"
    await channel_state.hold(redis, ME, job_id, "sink")
    assert await send(succeeded=True) == "paused"
    [channel] = (await channel_state.release_held_jobs(redis, {})).channels
    assert (channel.held, channel.state(0)) == (1, "paused")
    assert [await channel_state.resume(redis, "sink", by="ann") for _ in range(2)] == [True, False]
    await channel_state.release_held_jobs(redis, {})
    assert await claim(redis, ME, count=9, lease_ms=60_000) == [job_id]


async def test_a_job_of_another_worker_is_not_held(redis: Client) -> None:
    job_id = await new_job(redis)
    await channel_state.hold(redis, "other", job_id, "sink")
    assert await redis.zcard(KEYS.queue) == 1
    assert await channel_state.read_channels(redis) == []


async def test_reservations_keep_the_rate_and_catch_up_on_a_tenth_of_a_second_at_most(redis: Client) -> None:
    first_s, gap_s, _ = await channel_state.reserve(redis, "sink", rate_per_s=100, count=50, within_s=10)
    assert (first_s, gap_s) == (0, 0.01)
    later_s, *_ = await channel_state.reserve(redis, "sink", rate_per_s=100, count=1, within_s=10)
    assert 0.3 < later_s <= 0.4
    assert 0 < await redis.pttl(KEYS.rate + "sink") <= 2000
