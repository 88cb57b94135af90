"""Rules with `latest_only` whose subjects are in other partitions than their jobs."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from aiohttp import web
from msgspec import structs

from broker.queue.latest_only import subject_id
from broker.redis.partitions import Partitions
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send
from tests.worker.dated_events import occurred_at, points_added
from tests.worker.delivery.test_latest_only import PARTS
from tests.worker.partitions.conftest import COUNT, all_done, home_of
from tests.worker.partitions.test_partition_outages import sent
from tests.worker_process import WorkerProcess

Start = Callable[..., WorkerProcess]


def home_of_subject(partitions: Partitions, customer: str) -> int:
    """Return the partition of a customer's subject: see PARTS."""
    return partitions.number_for(subject_id("voucherify", "balance", "sink", f"v_{customer}"))


def event_at(partitions: Partitions, number: int, customer: str, *, at_s: int) -> bytes:
    """Return an event of a customer that is at home in the partition with this number. Its text is `at_s`."""
    events = (points_added(n, customer=customer, at_s=at_s, balance=at_s) for n in itertools.count(1000 * at_s))
    return next(event for event in events if home_of(partitions, event) == number)


async def test_no_older_event_is_sent_after_a_newer_one_of_another_partition_while_workers_die(
    partitions: Partitions, sink: Sink, worker: Start
) -> None:
    rng = random.Random(7)
    taken = defaultdict(list)

    async def slowly(message: dict[str, Any], _times: int) -> web.Response:
        fails = rng.random() < 0.1
        if not fails:  # noted as it arrives: on a busy machine the answer may be made after the lock has ended
            taken[message["data"]["customer"]["id"]].append(occurred_at(message["data"]))
        await asyncio.sleep(rng.random() * 0.03)
        return web.Response(status=500 if fails else 204)

    sink.answer = slowly
    order = list(range(160))
    rng.shuffle(order)
    parts = structs.replace(PARTS, partitions=COUNT)
    # The lock of a subject lasts as long as a lease: longer than a busy machine stops a worker.
    workers = [worker(parts=parts, lease_s=4.0), worker(parts=parts, lease_s=4.0)]
    for turn, first in enumerate(range(0, len(order), 8)):
        numbers = order[first : first + 8]
        await send(partitions[turn % COUNT], *(points_added(n, customer=f"c{n % 5}", at_s=n) for n in numbers))
        await asyncio.sleep(0.05)
        if turn % 6 == 5:
            workers[turn % 2].kill()
            workers[turn % 2] = worker(parts=parts, lease_s=4.0)
    await all_done(partitions)
    assert len(taken) == 5
    for moments in taken.values():
        assert moments == sorted(moments)


async def test_an_event_whose_subject_is_away_waits_and_others_do_not(
    servers: list[RedisServer], apart: Partitions, sink: Sink, worker: Start
) -> None:
    customers = {home_of_subject(apart, f"c{n}"): f"c{n}" for n in range(20)}
    parts = structs.replace(PARTS, partitions=3, servers=tuple(server.url for server in servers))
    worker(parts=parts)
    servers[2].kill()
    await send(apart[1], *(event_at(apart, 1, customers[n], at_s=10 + n) for n in range(3)))
    await until(lambda: len(sink.got) == 2)
    assert await sent(apart[1]) <= 2
    servers[2].start()
    assert await all_done(apart) == 3
    assert set(sink.times.values()) == {1}


async def test_an_event_whose_time_could_not_be_stored_is_not_followed_by_an_older_one(
    servers: list[RedisServer], apart: Partitions, sink: Sink, worker: Start
) -> None:
    """The partition of the subject goes away after the newer event was sent, for longer than a lease."""
    customer = next(f"c{n}" for n in range(20) if home_of_subject(apart, f"c{n}") == 2)
    came = asyncio.Event()
    answers = asyncio.Event()

    async def answer(_n: dict[str, Any], _times: int) -> web.Response:
        came.set()
        await answers.wait()
        return web.Response()

    sink.answer = answer
    parts = structs.replace(PARTS, partitions=3, servers=tuple(server.url for server in servers))
    worker(parts=parts, lease_s=1.0)
    await send(apart[1], event_at(apart, 1, customer, at_s=20))
    await came.wait()
    servers[2].kill()
    answers.set()
    await send(apart[0], event_at(apart, 0, customer, at_s=10))
    await asyncio.sleep(1.5)  # the lease has ended: the notification is open again
    assert await sent(apart[1]) == 0
    servers[2].start()
    latest = apart[2].names.latest
    [subject] = await until(lambda: apart[2].keys(latest + "*"))
    await apart[2].hset(subject, "until", 1)  # as if the outage had lasted longer than the lock
    assert await all_done(apart) >= 1
    assert {message["text"] for message in sink.got} == {"20"}
