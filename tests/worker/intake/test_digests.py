"""Digests with real workers: one notification a window, even if workers die."""

import asyncio
from collections import Counter
from collections.abc import Callable

from broker import dead_letters
from broker.dead_letters.replay import replay
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.steps.digests import Gathered
from tests.names import KEYS
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle
from tests.worker.dated_events import points_added
from tests.worker_process import Parts, WorkerProcess
from worker.intake.digests import notifications_of
from worker.rules.rules import DigestSettings, Rule

Start = Callable[..., WorkerProcess]

TEXT = (
    "{{ events | length }} x points added, {{ events | sum(attribute='balance.points') }} in total, "
    "balance {{ balance.balance }}"
)


def parts(key: str = "data.customer.id", text: str = TEXT, window: str = "1s") -> Parts:
    digest = DigestSettings(key=key, window=window)
    return Parts(rules=(Rule(name="points", events=("*",), channel="sink", text=text, digest=digest),))


async def test_events_within_a_window_are_one_notification_with_the_newest_balance(
    redis: Client, sink: Sink, worker: Start
) -> None:
    late = points_added(3, customer="ada", at_s=30, balance=120)
    await send(redis, late, points_added(1, customer="ada", at_s=10, balance=40))
    await send(
        redis,
        points_added(2, customer="ada", at_s=20, balance=80),
        points_added(4, customer="bela", at_s=1, balance=7),
    )
    worker(parts=parts())
    totals = await wait_until_idle(redis)
    assert sorted(message["text"] for message in sink.got) == [
        "1 x points added, 40 in total, balance 7",
        "3 x points added, 120 in total, balance 120",
    ]
    assert (totals.processed, totals.digested, totals.created, totals.sent) == (4, 4, 2, 2)


async def test_every_event_is_in_exactly_one_digest_even_if_workers_die(
    redis: Client, sink: Sink, worker: Start
) -> None:
    workers = [worker(parts=parts()), worker(parts=parts())]
    count = 0
    for kill in range(5):
        for _ in range(6):
            batch = [points_added(count + n, customer=f"c{n % 4}", at_s=count + n) for n in range(20)]
            await send(redis, *batch, batch[0])
            count += len(batch)
            await asyncio.sleep(0.05)  # so that the windows of some end while others open
        workers[kill % 2].kill()
        workers[kill % 2] = worker(parts=parts())
    totals = await wait_until_idle(redis)
    digests = {message["key"]: message["data"]["events"] for message in sink.got}
    counts = Counter(event["transaction"]["id"] for events in digests.values() for event in events)
    assert len(counts) == count
    assert set(counts.values()) == {1}
    assert (totals.processed, totals.digested) == (count, count)
    assert totals.created == totals.sent == len(digests)
    for key in digests:  # a digest that is sent again has the same events
        again = [message["data"]["events"] for message in sink.got if message["key"] == key]
        assert all(events == again[0] for events in again)


async def test_a_digest_that_cannot_be_rendered_is_a_dead_letter_with_its_events_and_can_be_replayed(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await send(redis, points_added(1, customer="ada", at_s=1), points_added(2, customer="ada", at_s=2))
    failing = worker(parts=parts(text="{{ absent.knows }}"))
    totals = await wait_until_idle(redis)
    assert (totals.created, totals.dead) == (1, 1)
    [letter] = await dead_letters.newest(redis)
    assert (letter.reason, "absent" in letter.error) == ("render", True)
    failing.kill()
    stored_letter = await dead_letters.get(redis, letter.id)
    assert stored_letter is not None
    assert await replay(redis, [stored_letter])
    worker(parts=parts())
    assert (await wait_until_idle(redis)).sent == 1
    assert sink.got[0]["text"].startswith("2 x points added")


async def test_an_event_without_the_digest_key_is_a_dead_letter_and_the_others_are_sent(
    redis: Client, sink: Sink, worker: Start
) -> None:
    worker(parts=parts(key="data.customer.crm_id"))
    await send(redis, points_added(1, customer="ada", at_s=1))
    await wait_until_idle(redis)
    [letter] = await until(lambda: dead_letters.newest(redis))
    assert (letter.reason, letter.stage) == ("render", "notify")
    assert "crm_id" in letter.error
    assert sink.got == []


async def test_garbage_in_a_digest_stops_neither_it_nor_any_other(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await redis.rpush(KEYS.digest + "00bad", "garbage")
    await redis.zadd(KEYS.digests, {"00bad": 1, b"\xff": 1})
    running = worker(parts=parts())
    await send(redis, points_added(1, customer="ada", at_s=10), points_added(2, customer="ada", at_s=20))
    totals = await wait_until_idle(redis)
    assert [len(message["data"]["events"]) for message in sink.got] == [2]
    [letter] = await until(lambda: dead_letters.newest(redis))
    assert (letter.stage, letter.reason) == ("notify", "unreadable")
    assert running.alive
    assert totals.notifications_add_up()


def test_digests_of_other_events_have_other_keys_and_of_the_same_the_same() -> None:
    def key(*events: str) -> str:
        body = RawBody(1, "voucherify", "", b"{}")
        [(_, notification)] = notifications_of(
            [Gathered(event, "points", ("sink",), 1000, "x", 1, body) for event in events]
        )
        return notification.key

    assert key("a", "b") == key("a", "b") == key("b", "a")
    assert len({key("a"), key("a", "b"), key("a", "c"), key("a", "b", "c")}) == 4
