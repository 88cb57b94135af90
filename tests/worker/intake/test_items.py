"""Bodies that hold several events: each item is an event of its own, and the counters add up."""

import time
from collections.abc import Sequence

import msgspec
import pytest

from broker.monitoring import stats
from broker.queue import batch, stream
from broker.queue.batch import MAX_BODIES, RawBody
from broker.queue.stream import Entry
from broker.redis.client import Client
from sources import KINDS
from tests.worker.conftest import first_plan, send
from worker.intake.intake import Intake
from worker.intake.items import MAX_ITEMS
from worker.intake.planner import Planner
from worker.rules.rules import Rule, RuleBook
from worker.settings import Settings
from worker.worker_source import WorkerSource

SOURCES = {name: WorkerSource(KINDS[kind], 7) for name, kind in (("mail", "sendgrid"), ("shop", "voucherify"))}
RULES = (Rule(name="all", events=("*",), channel="console"),)


def item(number: int) -> bytes:
    return b'{"event":"bounce","sg_event_id":"e%d"}' % number


def array(*numbers: int) -> bytes:
    return b"[" + b", ".join(map(item, numbers)) + b"]\r\n"


def planner(deliveries: int = 3) -> Planner:
    return Planner(SOURCES, RuleBook(RULES), max_deliveries=deliveries)


def entry(*bodies: bytes, source: str = "mail", places: Sequence[int] = (), deliveries: int = 1) -> Entry:
    raw = [RawBody(int(time.time() * 1000), source, "", body) for body in bodies]
    return Entry("1-1", len(raw), batch.encode(raw), deliveries, places=tuple(places))


async def test_an_array_becomes_entries_of_its_items_with_places_of_their_own() -> None:
    plan = await first_plan(planner(), entry(item(0), array(1, 2), array(3)))
    [split] = plan.split
    [placed] = split.batches
    assert [body.body for _, body in placed] == [item(number) for number in range(4)]
    assert split.further == 1
    places = [place for place, _ in placed]
    assert len(set(places)) == len(places)
    assert (places[0], places[3]) == (0, 2)
    assert not plan.processed


async def test_items_that_are_read_again_keep_their_places_and_are_not_split_again() -> None:
    plan = await first_plan(planner(), entry(array(1, 2)))
    [placed] = plan.split[0].batches
    places = [place for place, _ in placed]
    again = await first_plan(planner(), entry(*(body.body for _, body in placed), places=places))
    assert not again.split
    [processed] = again.processed
    assert (len(processed.events), processed.stored_letters) == (2, [])
    assert [notification.body.body for notification in again.jobs.all[0].notifications] == [item(1), item(2)]


async def test_an_array_of_one_event_is_processed_at_once() -> None:
    plan = await first_plan(planner(), entry(array(1)))
    assert not plan.split
    assert plan.jobs.all[0].notifications[0].body.body == item(1)


async def test_a_long_array_becomes_several_entries() -> None:
    plan = await first_plan(planner(), entry(array(*range(300))))
    assert [len(placed) for placed in plan.split[0].batches] == [MAX_BODIES, MAX_BODIES, 300 - 2 * MAX_BODIES]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[1, ", "truncated"),
        (b"[]", "without events"),
        (b"[[1], [2]]", "inside a list"),
        (b"[[[1]]]", "inside a list"),
        (b"[" + b",".join([b"{}"] * (MAX_ITEMS + 1)) + b"]", "at most 10000"),
    ],
)
async def test_a_body_that_cannot_be_split_is_one_dead_letter(body: bytes, reason: str) -> None:
    plan = await first_plan(planner(), entry(body))
    assert not plan.split
    [letter] = plan.processed[0].stored_letters
    assert letter.letter.reason == "undecodable"
    assert reason in letter.letter.error


async def test_a_body_that_ends_workers_is_isolated_before_it_is_split() -> None:
    plan = await first_plan(planner(), entry(array(1, 2), deliveries=4))
    assert not plan.split
    assert plan.processed[0].stored_letters[0].letter.reason == "poison"


async def process_all(redis: Client) -> None:
    intake = Intake(redis, planner(), Settings(), consumer="one")
    while entries := await stream.read(redis, "one", count=64, block_ms=1):
        await intake.process(entries)


async def test_the_items_of_arrays_count_as_accepted_bodies_and_the_counters_add_up(redis: Client) -> None:
    await stream.create_group(redis)
    await send(redis, array(*range(200)), item(500), array(501), source="mail")
    await send(redis, array(*range(100, 210)), b"[1,", source="mail")
    await process_all(redis)
    totals = await stats.read_totals(redis)
    assert (totals.accepted, totals.processed, totals.duplicate, totals.dead_at_intake) == (313, 212, 100, 1)
    assert totals.queued == 0
    assert totals.bodies_add_up()


async def test_a_split_that_is_repeated_changes_nothing(redis: Client) -> None:
    await stream.create_group(redis)
    await send(redis, array(1, 2, 3), source="mail")
    entries = await stream.read(redis, "one", count=1, block_ms=1)
    plan = await first_plan(planner(), *entries)
    for _ in range(2):
        await stream.split(redis, plan.split[0].entry, plan.split[0].batches, further=plan.split[0].further)
    assert (await stats.read_totals(redis)).queued == 3
    await process_all(redis)
    totals = await stats.read_totals(redis)
    assert (totals.accepted, totals.processed, totals.queued) == (3, 3, 0)


def test_items_are_copied_without_change() -> None:
    split = KINDS["sendgrid"].split
    assert split is not None
    written = b'[ {"a" : 1.50, "b":"\\u00e9"} ,\n{"c":[1, 2]}]'
    assert split(written) == [b'{"a" : 1.50, "b":"\\u00e9"}', b'{"c":[1, 2]}']
    assert msgspec.json.decode(written)
