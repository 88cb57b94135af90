"""SIGKILL at critical moments loses nothing, and repeats only what could not be recorded."""

import asyncio
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from broker import dead_letters
from broker.monitoring import stats
from broker.queue import jobs
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from broker.steps.commit import COMMIT
from tests.names import KEYS
from tests.proxy import running_proxy
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import POISON, Parts, WorkerProcess

Start = Callable[..., WorkerProcess]


async def test_a_worker_killed_before_its_commit_reached_redis_changed_nothing(
    redis: Client, redis_server: RedisServer, sink: Sink, worker: Start, tmp_path: Path
) -> None:
    await redis.script_load(COMMIT.text)
    async with running_proxy(redis_server.socket, tmp_path / "proxy.sock") as proxy:
        victim: list[WorkerProcess] = []

        def kill_before_the_commit(data: bytes) -> bool:
            if COMMIT.sha.encode() in data:
                victim[0].kill()
                raise ConnectionError("the worker is dead, its commit never left")
            return False

        proxy.on_request = kill_before_the_commit
        await send(redis, *(webhook(n) for n in range(40)))
        victim.append(worker(proxy.url))
        await until(lambda: not victim[0].alive)
    totals = await stats.read_totals(redis)
    assert (totals.processed, totals.queued) == (0, 40)
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.duplicate, totals.sent) == (40, 0, 40)
    assert set(sink.times.values()) == {1}


async def test_the_commit_of_a_worker_killed_right_after_it_is_not_repeated(
    redis: Client, redis_server: RedisServer, sink: Sink, worker: Start, tmp_path: Path
) -> None:
    await redis.script_load(COMMIT.text)
    async with running_proxy(redis_server.socket, tmp_path / "proxy.sock") as proxy:
        victim: list[WorkerProcess] = []

        def kill_with_the_commit(data: bytes) -> bool:
            commits = COMMIT.sha.encode() in data
            if commits:
                victim[0].kill()
            return commits

        proxy.on_request = kill_with_the_commit
        await send(redis, *(webhook(n) for n in range(40)))
        victim.append(worker(proxy.url))
        await until(lambda: not victim[0].alive)
    await until(lambda: redis.hget(KEYS.stats_total, "processed"))
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.duplicate, totals.sent) == (40, 0, 40)
    assert set(sink.times.values()) == {1}


async def test_a_worker_killed_in_the_middle_of_a_notify_job_resends_only_what_it_could_not_record(
    redis: Client, sink: Sink, worker: Start
) -> None:
    victim: list[WorkerProcess] = []

    def kill_at_the_thirtieth(_n: object, _times: int) -> web.Response:
        if len(sink.got) == 30:
            victim[0].kill()
        return web.Response()

    sink.answer = kill_at_the_thirtieth
    await send(redis, *(webhook(n) for n in range(64)))
    victim.append(worker())
    await until(lambda: not victim[0].alive)
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead, len(sink.times)) == (64, 0, 64)
    assert max(sink.times.values()) <= 2
    assert len({n["key"] for n in sink.got}) == 64


async def test_a_second_sigterm_ends_a_stuck_worker_immediately_and_loses_nothing(
    redis: Client, sink: Sink, worker: Start
) -> None:
    stuck = asyncio.Event()

    async def never(_n: object, _times: int) -> web.Response:
        await stuck.wait()
        return web.Response()

    sink.answer = never
    await send(redis, webhook(1))
    process = worker(stop_grace_s=0.2)
    await until(lambda: sink.got)
    process.signal(signal.SIGTERM)
    await asyncio.to_thread(process.process.wait, 60)
    sink.answer = lambda _n, _times: web.Response()
    stuck.set()
    worker()
    totals = await wait_until_idle(redis)
    assert totals.sent == 1


async def test_a_stalled_workers_batches_are_taken_over_and_its_late_commit_changes_nothing(
    redis: Client, sink: Sink, worker: Start
) -> None:
    frozen = worker()
    await send(redis, webhook(0))
    await wait_until_idle(redis)
    frozen.signal(signal.SIGSTOP)
    await send(redis, *(webhook(n) for n in range(1, 30)))
    worker()
    await wait_until_idle(redis)
    frozen.signal(signal.SIGCONT)
    await send(redis, webhook(99))
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.sent) == (31, 31)
    assert set(sink.times.values()) == {1}


async def test_a_worker_frozen_beyond_its_lease_sends_nothing_more_of_a_job_that_was_taken_over(
    redis: Client, sink: Sink, worker: Start
) -> None:
    """The job has 64 notifications and sends 8 at a time: at the freeze, 8 are being sent and 48 are to come."""
    answers, release_held_jobs = 0, asyncio.Event()

    async def slowly(_n: object, _times: int) -> web.Response:
        nonlocal answers
        answers += 1
        if answers > 8:
            await release_held_jobs.wait()
        return web.Response()

    sink.answer = slowly
    await send(redis, *(webhook(n) for n in range(64)))
    frozen = worker(parts=Parts(channel={"concurrency": 8}))

    async def first_recorded() -> bool:
        return len(sink.got) == 16 and (await stats.read_totals(redis)).sent == 8

    await until(first_recorded)
    frozen.signal(signal.SIGSTOP)
    under_way = {n["key"] for n in sink.got[8:]}
    release_held_jobs.set()
    worker(parts=Parts(channel={"concurrency": 8}))
    await wait_until_idle(redis)
    frozen.signal(signal.SIGCONT)
    await send(redis, webhook(99))
    await until(lambda: len(sink.times) == 65)
    assert frozen.stop() == 0
    assert {key for key, times in sink.times.items() if times > 1} <= under_way
    assert (await wait_until_idle(redis)).sent == 65


async def test_while_redis_does_not_record_outcomes_nothing_more_is_sent(
    own_redis: RedisServer, sink: Sink, worker: Start
) -> None:
    redis = connect(Settings(url=own_redis.url))

    async def freeze_at_the_tenth(_n: object, _times: int) -> web.Response:
        if len(sink.got) == 10:
            own_redis.freeze()
        await asyncio.sleep(0.02)
        return web.Response()

    sink.answer = freeze_at_the_tenth
    await send(redis, *(webhook(n) for n in range(64)))
    worker(own_redis.url, parts=Parts(channel={"concurrency": 1}))
    await until(lambda: len(sink.got) >= 10)
    sent: list[int] = []

    def no_more() -> bool:
        sent.append(len(sink.got))
        return len(sent) > 50 and sent[-50] == sent[-1]

    await until(no_more)
    assert len(sink.got) < 40
    own_redis.thaw()
    totals = await wait_until_idle(redis)
    assert (totals.sent, len(sink.times), set(sink.times.values())) == (64, 64, {1})
    await redis.aclose(close_connection_pool=True)


async def test_a_body_that_kills_its_workers_is_kept_as_dead_letter_alone(redis: Client, worker: Start) -> None:
    await send(redis, webhook(1), b'{"x": "' + POISON + b'"}', webhook(2))
    process = worker()
    dead_at_intake = False
    while not dead_at_intake:
        if not process.alive:
            process = worker()
        dead_at_intake = bool((await stats.read_totals(redis)).dead_at_intake)
        await asyncio.sleep(0.02)
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.dead_at_intake, totals.sent) == (2, 1, 2)
    [letter] = await dead_letters.newest(redis)
    assert letter.reason == "poison"
    stored_letter = await dead_letters.get(redis, letter.id)
    assert stored_letter is not None
    assert POISON in stored_letter.body


async def test_a_job_that_no_worker_can_run_becomes_a_dead_letter_unchanged(redis: Client, worker: Start) -> None:
    unreadable, unknown = jobs.new_job_id(3), jobs.new_job_id(2)
    await redis.set(KEYS.job + unreadable, b"\xc1 not msgpack")
    await redis.set(KEYS.job + unknown, jobs.serialize({"t": None, "f": "fly", "a": [], "k": {}, "et": 1}))
    await redis.zadd(KEYS.queue, {unreadable: 1, unknown: 1})
    await redis.hset(KEYS.stats_total, mapping={"created": 5, "waiting": 5, "accepted": 1, "processed": 1})
    worker()
    totals = await wait_until_idle(redis)
    assert totals.dead == 5
    errors = sorted(letter.error for letter in await dead_letters.newest(redis))
    assert errors[1] == "no job function named 'fly'"
    assert len(errors) == 2


async def test_a_redis_stopped_and_started_under_load_loses_and_doubles_nothing(
    own_redis: RedisServer, sink: Sink, worker: Start
) -> None:
    redis = connect(Settings(url=own_redis.url))
    process = worker(own_redis.url)
    accepted = 0
    for _ in range(3):
        for n in range(20):
            await send(redis, *(webhook(accepted + i) for i in range(10)))
            accepted += 10
            if n == 10:
                await asyncio.to_thread(own_redis.stop)
                own_redis.start()
    totals = await wait_until_idle(redis)
    assert process.alive
    assert (totals.processed, totals.sent) == (accepted, accepted)
    assert len(sink.times) == accepted
    await redis.aclose(close_connection_pool=True)


async def test_a_redis_killed_and_started_loses_nothing_that_it_had_on_disk(sink: Sink, worker: Start) -> None:
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:
        server = RedisServer(Path(directory), appendfsync="always").start()
        redis = connect(Settings(url=server.url))
        worker(server.url)
        for n in range(10):
            await send(redis, *(webhook(n * 20 + i) for i in range(20)))
            if n in (3, 6):
                await asyncio.to_thread(server.kill)
                server.start()
        totals = await wait_until_idle(redis)
        assert (totals.accepted, totals.processed, totals.sent) == (200, 200, 200)
        assert len(sink.times) == 200
        await redis.aclose(close_connection_pool=True)
        server.kill()
