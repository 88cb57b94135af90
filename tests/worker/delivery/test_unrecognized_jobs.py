"""An old and a new worker side by side: each leaves unrecognized jobs to the other."""

import time
from collections.abc import Callable

from broker import dead_letters
from broker.monitoring import stats
from broker.queue import batch, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.jobs import NOTIFY, Notification, NotifyJob
from broker.redis.client import Client
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import POINTS_ADDED, send, wait_until_idle, webhook
from tests.worker_process import NEWER_FORMAT, NEWER_FUNCTION, RULES, Parts, WorkerProcess

Start = Callable[..., WorkerProcess]
NEWER = Parts(newer=True)
NEW_CONFIG = Parts(
    sources=("voucherify", "second"),
    channels=("sink", "new"),
    rules=(RULES[0], type(RULES[0])(name="new", events=("*",), channel="new", text="new")),
)


async def send_newer(redis: Client, *bodies: bytes) -> None:
    """Append a batch in a format that only a newer version reads."""
    now_ms = int(time.time() * 1000)
    blob = NEWER_FORMAT + batch.encode([RawBody(now_ms, "voucherify", "", body) for body in bodies])
    await stream.APPEND(redis, bodies=len(bodies), blob=blob, sources=["voucherify"])


async def add_job(redis: Client, job: NotifyJob, *, function: str = NOTIFY) -> str:
    """Enqueue a job that is due now, and count it, as intake does."""
    size = len(job.notifications)
    job_id = jobs.new_job_id(size)
    stored = jobs.deserialize(jobs.encode(job))
    packed = {**stored, "f": function, "a": [stored["a"][0].blob]}
    await redis.set(KEYS.job + job_id, jobs.serialize(packed))
    await redis.zadd(KEYS.queue, {job_id: 1})
    for name, by in {"created": size, "waiting": size, "accepted": 1, "processed": 1}.items():
        await redis.hincrby(KEYS.stats_total, name, by)
    return job_id


def job(channel: str, *rules: str, source: str = "voucherify") -> NotifyJob:
    now_ms = int(time.time() * 1000)
    notifications = [
        Notification(f"{channel}-{rule}-{n}", rule, POINTS_ADDED, RawBody(now_ms, source, "", webhook(n)))
        for n, rule in enumerate(rules)
    ]
    return NotifyJob(channel, 1, now_ms, notifications)


async def unrecognized_keys(redis: Client) -> list[bytes]:
    return [key async for key in redis.scan_iter(KEYS.unrecognized + "*")]


async def test_an_old_worker_leaves_unrecognized_jobs_to_a_new_one(
    redis: Client, sink: Sink, worker: Start
) -> None:
    old = worker(unrecognized_grace_s=60)
    await send_newer(redis, webhook(1), webhook(2))
    await send(redis, webhook(3))
    await add_job(redis, job("sink", "points-added"), function=NEWER_FUNCTION)
    await until(lambda: sink.got)
    assert len(await until(lambda: _two(redis))) == 2
    for _ in range(3):  # so that one of them gets it soon, and not the old one again
        worker(parts=NEWER, unrecognized_grace_s=60)
    totals = await wait_until_idle(redis)
    assert old.alive
    assert (totals.processed, totals.dead_at_intake, totals.sent, totals.dead) == (4, 0, 4, 0)
    assert set(sink.times.values()) == {1}


async def _two(redis: Client) -> list[bytes] | None:
    keys = await unrecognized_keys(redis)
    return keys if len(keys) >= 2 else None


async def _sent(redis: Client, count: int) -> bool:
    return (await stats.read_totals(redis)).sent == count


async def _three(redis: Client) -> bool:
    return len(await unrecognized_keys(redis)) >= 3


async def _recorded(redis: Client, sent: int) -> bool:
    return (await stats.read_totals(redis)).sent >= sent


async def test_jobs_that_only_the_new_config_knows_are_left_to_it(
    redis: Client, sink: Sink, worker: Start
) -> None:
    old = worker(unrecognized_grace_s=60)
    now_ms = int(time.time() * 1000)
    mixed = [
        RawBody(now_ms, name, "", webhook(n)) for n, name in enumerate(("voucherify", "second", "voucherify"))
    ]
    await stream.APPEND(redis, bodies=3, blob=batch.encode(mixed), sources=["voucherify", "second"])
    await add_job(redis, job("sink", "points-added", "new", "points-added"))
    await add_job(redis, job("new", "new"))
    await until(lambda: _sent(redis, 4))  # the two known bodies, and the two known notifications
    await until(lambda: _three(redis))
    await until(lambda: _recorded(redis, 4))  # else the next worker sends them once more
    old.kill()
    worker(parts=NEW_CONFIG, unrecognized_grace_s=60)
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.dead_at_intake, totals.dead) == (3 + 2, 0, 0)
    assert set(sink.times.values()) == {1}
    assert not [key for key in await unrecognized_keys(redis) if key.endswith(b".1")]


async def test_an_unrecognized_job_becomes_a_dead_letter_after_the_grace_period(
    redis: Client, worker: Start
) -> None:
    await send_newer(redis, webhook(1), webhook(2))
    await send(redis, webhook(3), source="second")
    newer = await add_job(redis, job("sink", "points-added"), function=NEWER_FUNCTION)
    await add_job(redis, job("new", "new"))
    started = time.monotonic()
    worker(unrecognized_grace_s=2)
    worker(unrecognized_grace_s=2)
    totals = await wait_until_idle(redis)
    assert time.monotonic() - started >= 2
    assert (totals.dead_at_intake, totals.dead) == (3, 2)
    letters = await dead_letters.newest(redis)
    assert sorted(letter.reason for letter in letters) == [
        "unknown channel",
        "unknown source",
        "unreadable",
        "unreadable",
    ]
    [job_letter] = [letter for letter in letters if letter.job]
    assert (job_letter.job, job_letter.error) == (newer, f"no job function named '{NEWER_FUNCTION}'")
    [batch_letter] = [letter for letter in letters if letter.bodies == 2]
    stored_letter = await dead_letters.get(redis, batch_letter.id)
    assert stored_letter is not None
    assert stored_letter.body.startswith(NEWER_FORMAT)


async def test_a_job_that_is_left_to_others_does_not_probe_a_channel(redis: Client, worker: Start) -> None:
    await redis.hset(KEYS.channel + "sink", "open_until_ms", 1)
    await add_job(redis, job("sink", "new"))
    worker(unrecognized_grace_s=60)
    await until(lambda: unrecognized_keys(redis))
    assert not await redis.hexists(KEYS.channel + "sink", "probe_job")


async def test_a_job_of_another_kind_that_is_left_to_others_is_not_deleted(redis: Client, worker: Start) -> None:
    stored = jobs.serialize({"t": None, "f": "newer_cron", "a": [], "k": {}, "et": 1})
    await redis.set(KEYS.job + "newer_cron:1", stored)
    await redis.zadd(KEYS.queue, {"newer_cron:1": 1})
    worker(unrecognized_grace_s=60)
    await until(lambda: unrecognized_keys(redis))

    async def given_back() -> bool:
        return not await redis.exists(KEYS.in_progress + "newer_cron:1")

    await until(given_back)
    await send(redis, webhook(1))
    await until(lambda: _sent(redis, 1))
    assert await redis.get(KEYS.job + "newer_cron:1") == stored
    assert await redis.zscore(KEYS.queue, "newer_cron:1")
