"""Rules with `latest_only`, with real workers: no older event is sent after a newer one."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from aiohttp import web

from broker.redis.client import Client
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle
from tests.worker.dated_events import occurred_at, points_added
from tests.worker_process import Parts, WorkerProcess
from worker.rules.rules import Rule

Start = Callable[..., WorkerProcess]

PARTS = Parts(
    rules=(
        Rule(
            name="balance",
            events=("*",),
            channel="sink",
            text="{{ balance.balance }}",
            latest_only="data.voucher.id",
        ),
    )
)


async def test_an_event_older_than_one_that_was_notified_is_skipped_and_counted(
    redis: Client, sink: Sink, worker: Start
) -> None:
    worker(parts=PARTS)
    await send(redis, points_added(1, customer="ada", at_s=20, balance=20))
    await until(lambda: sink.got)
    await send(
        redis,
        points_added(2, customer="ada", at_s=10, balance=10),
        points_added(3, customer="bela", at_s=5, balance=5),
        points_added(4, customer="ada", at_s=30, balance=30),
    )
    totals = await wait_until_idle(redis)
    assert sorted(message["text"] for message in sink.got) == ["20", "30", "5"]
    assert (totals.sent, totals.skipped) == (3, 1)


async def test_of_one_batch_the_newest_goes_first_and_makes_the_older_ones_stale(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await send(redis, *(points_added(n, customer="ada", at_s=n, balance=n) for n in range(1, 21)))
    worker(parts=PARTS)
    totals = await wait_until_idle(redis)
    assert sink.got[0]["text"] == "20"
    assert (totals.sent, totals.skipped) == (1, 19)


async def test_many_subjects_take_few_steps_and_no_lock_stays(redis: Client, worker: Start) -> None:
    await send(redis, *(points_added(n, customer=f"c{n}", at_s=n, balance=n) for n in range(60)))
    before = await calls(redis)
    worker(parts=PARTS)
    totals = await wait_until_idle(redis)
    assert totals.sent == 60
    assert await calls(redis) - before < 60
    names = await redis.keys(f"{KEYS.latest}*")
    assert len(names) == 60
    assert not any([await redis.hexists(name, "by") for name in names])


async def calls(redis: Client) -> int:
    """Return how many scripts Redis has run."""
    stats = await redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))


async def test_nothing_goes_back_in_time_while_workers_die(redis: Client, sink: Sink, worker: Start) -> None:
    rng = random.Random(7)

    taken = defaultdict(list)

    async def slowly(message: dict[str, Any], _times: int) -> web.Response:
        fails = rng.random() < 0.1
        if not fails:  # noted as it arrives: on a busy machine the answer may be made after the lock has ended
            taken[message["data"]["customer"]["id"]].append(occurred_at(message["data"]))
        await asyncio.sleep(rng.random() * 0.05)
        return web.Response(status=500 if fails else 204)

    sink.answer = slowly
    order = list(range(300))
    rng.shuffle(order)
    workers = [worker(parts=PARTS, lease_s=4.0), worker(parts=PARTS, lease_s=4.0)]
    for first in range(0, len(order), 15):
        numbers = order[first : first + 15]
        await send(redis, *(points_added(n, customer=f"c{n % 5}", at_s=n) for n in numbers))
        await asyncio.sleep(0.03)
        if first % 75 == 60:
            victim = first // 75 % 2
            workers[victim].kill()
            workers[victim] = worker(parts=PARTS, lease_s=4.0)
    totals = await wait_until_idle(redis)
    assert totals.sent + totals.skipped == len(order)
    for moments in taken.values():
        assert moments == sorted(moments)
    newest = [
        occurred_at(json.loads(points_added(n, customer=f"c{n % 5}", at_s=n))["data"]) for n in range(295, 300)
    ]
    assert sorted(moments[-1] for moments in taken.values()) == newest
