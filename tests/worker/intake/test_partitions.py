"""Tests of commits that cross partitions, on real Redis servers whose answers get lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from msgspec import structs
from redis.exceptions import ConnectionError as RedisConnectionError

from broker.monitoring import stats
from broker.queue import held_bodies, jobs, stream
from broker.queue.batch import RawBody
from broker.queue.stream import Entry
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, Durability
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import WrongLayout
from broker.redis.partitions import Partitions, connect_all
from broker.steps.commit import commit
from runtime.task_cancellation import cancel_and_wait
from tests.digest_windows import waiting_keys
from tests.redis_server import RedisServer
from tests.until import until
from tests.worker.dated_events import points_added
from tests.worker.rules.test_rules import SOURCES
from worker.intake import home_steps
from worker.intake.home_steps import HomeSteps
from worker.intake.homes import Homes
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.rules.rules import DigestSettings, Rule, RuleBook
from worker.settings import Settings

COUNT = 4
BODIES = 24
EACH = Rule(name="each", events=("*",), channel="console")
TOGETHER = Rule(
    name="together", events=("*",), channel="console", digest=DigestSettings(window="1h", key="customer.id")
)


class Loss:
    """Loses the answer of one script call of a worker, before or after Redis runs it, and may end the worker."""

    def __init__(self, partitions: Partitions, *, call: int, is_run: bool, dies: bool) -> None:
        self.happened = asyncio.Event()
        self._calls = 0
        self._call, self._is_run, self._dies = call, is_run, dies
        for client in partitions:
            client.execute_command = partial(self._run, client.execute_command)  # type: ignore[method-assign]

    async def _run(self, command: Any, *args: Any, **options: Any) -> Any:
        self._calls += args[0] == "EVALSHA"
        if args[0] != "EVALSHA" or self._calls != self._call:
            return await command(*args, **options)
        if self._is_run:
            await command(*args, **options)
        self.happened.set()
        if self._dies:
            await asyncio.Event().wait()
        raise RedisConnectionError("the answer was lost")


def planner(*rules: Rule) -> Planner:
    return Planner(SOURCES, RuleBook(rules), max_deliveries=3)


def bodies(first: int = 0, count: int = BODIES) -> list[RawBody]:
    now_ms = int(time.time() * 1000)
    return [
        RawBody(now_ms, "voucherify", "", points_added(number, customer=f"c{number % 5}", at_s=number))
        for number in range(first, first + count)
    ]


@pytest.fixture
async def partitions(redis_server: RedisServer) -> AsyncIterator[Partitions]:
    partitions = connect_all(RedisSettings(url=redis_server.url, partitions=COUNT))
    yield partitions
    await partitions.aclose()


async def received(redis: Client, raw: Sequence[RawBody]) -> Entry:
    await stream.create_group(redis)
    await stream.append(redis, list(raw), Confirmation())
    [entry] = await stream.read(redis, "worker", count=1, block_ms=1)
    return entry


def intake_of(
    partitions: Partitions,
    number: int,
    *rules: Rule,
    durability: Durability = Durability(),  # noqa: B008 - frozen
) -> Intake:
    return Intake(
        partitions[number],
        planner(*rules),
        Settings(),
        consumer="worker",
        partitions=partitions,
        durability=durability,
    )


async def total(partitions: Partitions) -> stats.Totals:
    """Add up the counters, after a check that both sums hold in each partition."""
    each = [await stats.read_totals(client) for client in partitions]
    assert all(totals.bodies_add_up() and totals.notifications_add_up() for totals in each)
    names = [name for name in stats.Totals.__struct_fields__ if name != "refused"]
    return stats.Totals(**{name: sum(getattr(totals, name) for totals in each) for name in names})


async def notifications(partitions: Partitions) -> list[str]:
    """Return the keys of all notifications in jobs, each once for every time it would be sent."""
    found = []
    for client in partitions:
        for name in await client.zrange(client.names.queue, 0, -1):
            job_id = name.decode()
            settled = await jobs.settled_indices(client, job_id)
            [packed] = jobs.deserialize(await jobs.raw(client, job_id))["a"]
            job = jobs.decode(packed)
            found += [one.key for index, one in enumerate(job.notifications) if index not in settled]
    return sorted(found)


async def gathered(partitions: Partitions) -> list[str]:
    """Return the keys of all events in digests."""
    return sorted([key for client in partitions for key in await waiting_keys(client)])


async def test_each_event_of_a_batch_is_processed_once_and_in_its_home(partitions: Partitions) -> None:
    raw = bodies()
    await intake_of(partitions, 0, EACH).process([await received(partitions[0], raw)])
    await intake_of(partitions, 3, EACH).process([await received(partitions[3], raw)])
    totals = await total(partitions)
    assert (totals.processed, totals.duplicate, totals.queued) == (BODIES, BODIES, 0)
    assert len(set(await notifications(partitions))) == totals.created == BODIES
    sets = [await client.keys(f"{client.names.prefix}dedupe:*") for client in partitions]
    assert all(sets)
    for number, names in enumerate(sets):
        assert {int(name.rpartition(b":")[2]) % COUNT for name in names} == {number}
    assert [await client.xlen(client.names.stream) for client in partitions] == [0] * COUNT


async def test_markers_of_a_committed_batch_end_soon_after_the_next_commit(partitions: Partitions) -> None:
    intake = intake_of(partitions, 0, EACH, TOGETHER)
    await intake.process([await received(partitions[0], bodies())])
    before = [await client.keys(f"{client.names.applied}*") for client in partitions]
    assert all(before)
    await intake.process([await received(partitions[0], bodies(BODIES))])
    for client, [marker] in zip(partitions, before, strict=True):
        assert 0 < await client.ttl(marker) <= keys.COMMITTED_TTL_S
        assert len(await client.keys(f"{client.names.applied}*")) == 2


def losses() -> Iterator[Any]:
    for call in range(1, 10):
        for is_run in (False, True):
            for dies in (False, True):
                name = f"call-{call}-{'run' if is_run else 'lost'}-{'worker-dies' if dies else 'worker-goes-on'}"
                yield pytest.param(call, is_run, dies, id=name)


async def finish(partitions: Partitions, number: int, entry: Entry) -> None:
    """Take an entry over, release what is held, and process everything until nothing is queued."""
    intake = intake_of(partitions, number, EACH, TOGETHER)
    client = partitions[number]
    await intake.process([entry])
    while await client.xlen(client.names.stream) or await held_bodies.waiting_homes(client):
        for home in await held_bodies.waiting_homes(client):
            await held_bodies.release(client, home, most=10)
        await intake.process(await stream.read(client, "heir", count=10, block_ms=1))


@pytest.mark.parametrize(("call", "is_run", "dies"), list(losses()))
async def test_a_lost_answer_loses_no_event_and_repeats_none(
    redis_server: RedisServer, partitions: Partitions, call: int, is_run: bool, dies: bool
) -> None:
    entry = await received(partitions[1], bodies())
    with_loss = connect_all(RedisSettings(url=redis_server.url, partitions=COUNT), retries=0)
    loss = Loss(with_loss, call=call, is_run=is_run, dies=dies)
    processing = asyncio.create_task(intake_of(with_loss, 1, EACH, TOGETHER).process([entry]))
    happening = asyncio.create_task(loss.happened.wait())
    await asyncio.wait((processing, happening), return_when=asyncio.FIRST_COMPLETED)
    if not dies:
        await processing
    await cancel_and_wait([processing, happening])
    await with_loss.aclose()
    await finish(partitions, 1, entry)
    totals = await total(partitions)
    assert (totals.processed, totals.duplicate, totals.queued, totals.digested) == (BODIES, 0, 0, BODIES)
    keys = await notifications(partitions)
    assert len(set(keys)) == len(keys) == BODIES
    together = await gathered(partitions)
    assert len(set(together)) == len(together) == BODIES


async def test_a_batch_that_is_split_after_a_part_of_it_was_processed_repeats_nothing(
    partitions: Partitions,
) -> None:
    entry = await received(partitions[1], bodies())
    intake = intake_of(partitions, 1, EACH, TOGETHER)
    homes = Homes(partitions, 1)
    plan = await anext(planner(EACH, TOGETHER).plans([entry], homes))
    await HomeSteps(partitions[1], partitions, Durability()).run(plan)
    await intake.process([structs.replace(entry, deliveries=4)])
    singles = await stream.read(partitions[1], "heir", count=BODIES, block_ms=1)
    assert len(singles) == BODIES
    await intake.process(singles)
    totals = await total(partitions)
    assert (totals.processed, totals.duplicate, totals.queued, totals.digested) == (BODIES, 0, 0, BODIES)


async def test_only_the_events_of_a_home_that_is_away_wait_for_it(
    redis_server: RedisServer, own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = RedisSettings(url=redis_server.url, partitions=2)
    other = structs.replace(settings, url=own_redis.url, socket_timeout_s=60.0)
    partitions = Partitions([connect(settings), connect(other, partition=1, retries=0)])
    raw = bodies()
    entry = await received(partitions[0], raw)
    own_redis.freeze()
    intake = intake_of(partitions, 0, EACH)
    began = time.monotonic()
    await intake.process([entry])
    assert time.monotonic() - began < 20  # not for as long as the time-out of the connection
    at_home = await stats.read_totals(partitions[0])
    assert 0 < at_home.processed == BODIES - at_home.queued
    assert await held_bodies.waiting_homes(partitions[0]) == {1: 1}

    monkeypatch.setattr(home_steps, "_STEP_S", 60.0)
    began = time.monotonic()
    await intake.process([await received(partitions[0], bodies(BODIES))])
    assert time.monotonic() - began < 20  # a partition that is known to be away is not asked again

    own_redis.thaw()
    releasing = asyncio.create_task(intake.run_release())
    await until(lambda: _has_entries(partitions[0]))
    await intake.process(await stream.read(partitions[0], "worker", count=10, block_ms=1))
    await cancel_and_wait([releasing])
    totals = await total(partitions)
    assert (totals.processed, totals.duplicate, totals.queued) == (2 * BODIES, 0, 0)
    await partitions.aclose()


async def _has_entries(client: Client) -> bool:
    return await client.xlen(client.names.stream) == 2


async def test_a_worker_with_another_number_of_partitions_commits_nothing(partitions: Partitions) -> None:
    entry = await received(partitions[0], bodies())
    await partitions[2].set(partitions[2].names.layout, "8")
    plan = await anext(planner(EACH).plans([entry], Homes(partitions, 0)))
    with pytest.raises(WrongLayout):
        await HomeSteps(partitions[0], partitions, Durability()).run(plan)
    await partitions[0].set(partitions[0].names.layout, "moving:4:8")
    with pytest.raises(WrongLayout):
        await commit(partitions[0], plan.processed, plan.jobs.all)
    assert (await stats.read_totals(partitions[2])).processed == 0
    for client in partitions:
        await client.delete(client.names.layout)
    await finish(partitions, 0, entry)
    totals = await total(partitions)
    assert (totals.processed, totals.duplicate, totals.queued) == (BODIES, 0, 0)


async def test_held_bodies_that_another_program_wrote_become_a_dead_letter(partitions: Partitions) -> None:
    client = partitions[0]
    await stream.create_group(client)
    await client.rpush(client.names.held_bodies + "1", b"not held bodies")
    assert await held_bodies.release(client, 1, most=10) == 0
    [entry] = await stream.read(client, "worker", count=10, block_ms=1)
    assert (entry.bodies, entry.blob) == (0, b"not held bodies")
