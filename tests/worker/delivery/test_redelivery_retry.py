"""The redelivery of an event retries its dead notifications."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from broker import dead_letters
from broker.dead_letters import DeadLetter
from broker.dead_letters.replay import replay
from broker.monitoring.stats import Totals
from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation
from broker.steps.commit import Committed, commit
from runtime.task_cancellation import cancel_and_wait
from sources.voucherify import VOUCHERIFY
from tests.names import KEYS
from tests.sink import Sink, ok
from tests.until import until
from tests.worker.conftest import first_plan, send, wait_until_idle, webhook
from tests.worker.dated_events import points_added
from tests.worker_process import Parts, WorkerProcess
from worker.delivery.redelivery_retry import RedeliveryRetry
from worker.intake.planner import Planner
from worker.rules.rules import DigestSettings, Rule, RuleBook
from worker.worker_source import WorkerSource

Start = Callable[..., WorkerProcess]

DAY_MS = 86_400_000
ALL = Rule(name="all", events=("*",), channel="sink")
EVERYTHING = Parts(rules=(ALL,))
TIMELESS = b'{"no": "time"}'


async def dies(redis: Client, sink: Sink, *bodies: bytes, letters: int = 1) -> list[DeadLetter]:
    """Send bodies while the sink refuses, and return their dead letters. Afterwards the sink accepts all."""
    sink.answer = lambda _n, _times: web.Response(status=400)
    await send(redis, *bodies)
    await wait_until_idle(redis)
    sink.answer = ok
    letters_of_sink = await dead_letters.newest(redis)
    assert len(letters_of_sink) == letters
    return letters_of_sink


async def sent(redis: Client, notifications: int = 1) -> None:
    async def all_sent() -> bool:
        return await redis.hget(KEYS.stats_total, "sent") == str(notifications).encode()  # type: ignore[misc]

    await until(all_sent)


async def committed(redis: Client, *bodies: bytes) -> Committed:
    """Commit these bodies as a worker does that is killed right after the commit."""
    await stream.create_group(redis)
    await send(redis, *bodies)
    [entry] = await stream.read(redis, "dying", count=1, block_ms=100)
    planner = Planner({"voucherify": WorkerSource(VOUCHERIFY, 7)}, RuleBook((ALL,)), max_deliveries=3)
    plan = await first_plan(planner, entry)
    return await commit(redis, plan.processed, plan.jobs.all)


async def test_a_redelivery_retries_the_dead_notification_with_its_key_and_all_attempts(
    redis: Client, sink: Sink, worker: Start
) -> None:
    worker(parts=Parts(rules=(ALL,), channel={"retry": {"base_s": 0.05, "cap_s": 0.1, "attempts": 2}}))
    sink.answer = lambda _n, times: web.Response(status=204 if times == 4 else 503)
    await send(redis, webhook(1))
    totals = await wait_until_idle(redis)
    assert (totals.dead, totals.retried) == (1, 1)

    await send(redis, webhook(1))
    await sent(redis)
    totals = await wait_until_idle(redis)
    assert list(sink.times.values()) == [4]  # two before and two after the redelivery, all with the same key
    assert (totals.accepted, totals.processed, totals.duplicate, totals.retried_on_redelivery) == (2, 2, 0, 1)
    assert (totals.created, totals.sent, totals.dead, totals.replayed) == (1, 1, 0, 1)
    assert await dead_letters.count(redis) == 0
    assert not await redis.exists(KEYS.dead_to_retry)

    await send(redis, webhook(1))  # now the receiver accepts it
    assert (await until(lambda: _counted(redis, 3))).duplicate == 1


async def test_the_redelivery_of_an_event_without_dead_letters_is_a_duplicate(
    redis: Client, sink: Sink, worker: Start
) -> None:
    worker(parts=EVERYTHING)
    await send(redis, webhook(1))
    await sent(redis)
    [letter] = await dies(redis, sink, webhook(2))
    await send(redis, webhook(1))
    totals = await until(lambda: _counted(redis, 3))
    assert (totals.duplicate, totals.retried_on_redelivery) == (1, 0)
    assert [found.id for found in await dead_letters.newest(redis)] == [letter.id]


async def test_a_redelivery_among_new_events_is_sent_once_too(redis: Client, sink: Sink, worker: Start) -> None:
    worker(parts=EVERYTHING)
    [letter] = await dies(redis, sink, webhook(1))
    await send(redis, webhook(2), webhook(1), webhook(3))
    await sent(redis, 3)
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.retried_on_redelivery, totals.created, totals.sent) == (4, 1, 3, 3)
    assert sink.times[letter.key] == 2  # refused once, accepted once


async def test_two_redeliveries_in_a_row_retry_a_notification_once(
    redis: Client, sink: Sink, worker: Start
) -> None:
    worker(parts=EVERYTHING)
    await dies(redis, sink, webhook(1))
    await send(redis, webhook(1), webhook(1))
    await send(redis, webhook(1))
    await until(lambda: _counted(redis, 4))
    await sent(redis)
    totals = await wait_until_idle(redis)
    assert totals.processed + totals.duplicate == 4
    assert totals.retried_on_redelivery == totals.processed - 1 >= 1
    assert (totals.created, totals.sent, totals.dead) == (1, 1, 0)
    assert list(sink.times.values()) == [2]  # refused once, accepted once


async def test_two_redeliveries_before_the_retry_mark_the_letter_once(
    redis: Client, sink: Sink, worker: Start
) -> None:
    first = worker(parts=EVERYTHING)
    await dies(redis, sink, webhook(1))
    first.kill()
    assert [(await committed(redis, webhook(1))).retried_on_redelivery for _ in range(2)] == [1, 1]
    worker(parts=EVERYTHING)
    await sent(redis)
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.retried_on_redelivery, totals.replayed) == (3, 2, 1)
    assert list(sink.times.values()) == [2]


async def test_the_redelivery_of_a_replayed_event_is_a_duplicate(redis: Client, sink: Sink, worker: Start) -> None:
    first = worker(parts=EVERYTHING)
    [letter] = await dies(redis, sink, webhook(1))
    first.kill()
    assert (
        await replay(
            redis,
            [
                stored_letter
                for stored_letter in await dead_letters.stored_letters(redis, [letter.id])
                if stored_letter
            ],
        )
        == 1
    )
    result = await committed(redis, webhook(1))
    assert (result.duplicate, result.retried_on_redelivery) == (1, 0)
    worker(parts=EVERYTHING)
    await sent(redis)
    await wait_until_idle(redis)
    assert list(sink.times.values()) == [2]


async def test_a_replay_by_a_person_removes_the_redelivery_mark(redis: Client, sink: Sink, worker: Start) -> None:
    first = worker(parts=EVERYTHING)
    [letter] = await dies(redis, sink, webhook(1))
    first.kill()
    assert (await committed(redis, webhook(1))).retried_on_redelivery == 1
    assert await redis.smembers(KEYS.dead_to_retry) == {letter.id.encode()}  # type: ignore[misc]
    assert (
        await replay(
            redis,
            [
                stored_letter
                for stored_letter in await dead_letters.stored_letters(redis, [letter.id])
                if stored_letter
            ],
        )
        == 1
    )
    assert not await redis.exists(KEYS.dead_to_retry)
    worker(parts=EVERYTHING)
    await sent(redis)
    assert (await wait_until_idle(redis)).replayed == 1
    assert list(sink.times.values()) == [2]


async def test_the_mark_of_a_worker_killed_after_its_commit_is_processed_by_the_next(
    redis: Client, sink: Sink, worker: Start
) -> None:
    first = worker(parts=EVERYTHING)
    await dies(redis, sink, webhook(1))
    first.kill()
    assert (await committed(redis, webhook(1))).retried_on_redelivery == 1
    assert await dead_letters.count(redis) == 1
    worker(parts=EVERYTHING)
    await sent(redis)
    assert (await wait_until_idle(redis)).retried_on_redelivery == 1
    assert await dead_letters.count(redis) == 0


async def test_an_idle_worker_processes_the_mark_of_a_killed_one(redis: Client, sink: Sink, worker: Start) -> None:
    worker(parts=EVERYTHING)
    [letter] = await dies(redis, sink, webhook(1))
    await redis.sadd(KEYS.dead_to_retry, letter.id)  # type: ignore[misc]
    await sent(redis)
    assert await dead_letters.count(redis) == 0


async def test_a_commit_starts_the_retry_of_its_marked_letters_immediately(
    redis: Client, sink: Sink, worker: Start
) -> None:
    first = worker(parts=EVERYTHING)
    [letter] = await dies(redis, sink, webhook(1))
    first.kill()
    woken = asyncio.Event()
    retry = RedeliveryRetry(redis, woken.set)
    running = asyncio.create_task(retry.run())
    await asyncio.sleep(0)
    await redis.sadd(KEYS.dead_to_retry, letter.id)  # type: ignore[misc]
    retry.wake()
    await asyncio.wait_for(woken.wait(), 30)  # without wake() it checks every minute
    await cancel_and_wait([running])
    assert await dead_letters.count(redis) == 0


async def test_the_redelivery_of_one_event_of_a_dead_digest_retries_the_digest(
    redis: Client, sink: Sink, worker: Start
) -> None:
    digest = DigestSettings(key="data.customer.id", window="1s")
    text = "{{ events | length }} x points added"
    worker(parts=Parts(rules=(Rule(name="points", events=("*",), channel="sink", text=text, digest=digest),)))
    both = [points_added(number, customer="ada", at_s=number) for number in (1, 2)]
    [letter] = await dies(redis, sink, *both)
    assert letter.digest
    await send(redis, both[1])
    await sent(redis)
    totals = await wait_until_idle(redis)
    assert [message["text"] for message in sink.got] == ["2 x points added"] * 2
    assert list(sink.times.values()) == [2]
    assert (totals.processed, totals.digested, totals.created, totals.retried_on_redelivery) == (3, 2, 1, 1)


async def test_an_event_without_its_own_time_is_recognized_days_later(
    redis: Client, sink: Sink, worker: Start
) -> None:
    worker(parts=EVERYTHING)
    sink.answer = lambda _n, _times: web.Response(status=400)
    received_ms = time.time_ns() // 1_000_000 - 3 * DAY_MS
    await stream.append(redis, [RawBody(received_ms, "voucherify", "", TIMELESS)], Confirmation())
    await wait_until_idle(redis)
    sink.answer = ok
    await send(redis, TIMELESS)
    await sent(redis)
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.duplicate, totals.retried_on_redelivery, totals.created) == (2, 0, 1, 1)
    assert list(sink.times.values()) == [2]


async def test_a_redelivery_retries_all_dead_notifications_of_an_event(
    redis: Client, sink: Sink, worker: Start
) -> None:
    rule = Rule(name="all", events=("*",), channel=("sink", "other"))
    worker(parts=Parts(channels=("sink", "other"), rules=(rule,)))
    letters = await dies(redis, sink, webhook(1), letters=2)
    assert {letter.channel for letter in letters} == {"sink", "other"}
    await send(redis, webhook(1))
    await sent(redis, 2)
    totals = await wait_until_idle(redis)
    assert (totals.retried_on_redelivery, totals.replayed, totals.created, totals.dead) == (1, 2, 2, 0)
    assert sorted(sink.times) == sorted(letter.key for letter in letters)
    assert list(sink.times.values()) == [2, 2]


async def _counted(redis: Client, accepted: int) -> Totals | None:
    totals = await wait_until_idle(redis)
    return totals if totals.accepted == accepted else None
