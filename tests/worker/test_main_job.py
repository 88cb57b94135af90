"""Webhooks from the stream to the receiver, with a real worker process."""

import asyncio
import signal
from collections.abc import Callable

from aiohttp import web

from broker import dead_letters
from broker.dead_letters import replay
from broker.monitoring import stats
from broker.redis.client import Client
from tests.key_check import undeclared
from tests.names import KEYS
from tests.sink import Sink, ok
from tests.until import until
from tests.worker.conftest import send, wait_until_idle, webhook
from tests.worker_process import Parts, WorkerProcess
from worker.rules.rules import DigestSettings, Rule

Start = Callable[..., WorkerProcess]


async def test_each_event_is_notified_once_with_its_text_and_payload(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await send(redis, *(webhook(n) for n in range(100)))
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.sent) == (100, 100)
    assert set(sink.times.values()) == {1}
    first = next(n for n in sink.got if n["data"]["customer"]["source_id"] == "crm-00000000")
    assert first["text"] == "Ada Novak: 40 points"
    assert first["data"]["balance"]["balance"] == 2641
    assert first["event"] == "customer.voucher.loyalty_card.points_added"


async def test_a_redelivery_is_suppressed_in_the_same_batch_and_later(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await send(redis, webhook(1), webhook(1), webhook(2))
    worker()
    await wait_until_idle(redis)
    await send(redis, webhook(1), webhook(3))
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.duplicate, totals.sent) == (3, 2, 3)
    assert set(sink.times.values()) == {1}


async def test_the_same_events_in_many_batches_at_many_workers_are_notified_once(
    redis: Client, sink: Sink, worker: Start
) -> None:
    for _ in range(3):
        worker()
    for n in range(60):
        await send(redis, *(webhook(number) for number in range(n % 10, n % 10 + 5)))
    totals = await wait_until_idle(redis)
    assert totals.processed == 14
    assert totals.duplicate == 300 - 14
    assert len(sink.times) == 14
    assert set(sink.times.values()) == {1}


async def test_a_body_that_is_not_json_becomes_a_dead_letter_with_its_reason(
    redis: Client, sink: Sink, worker: Start
) -> None:
    await send(redis, webhook(1), b"not json", webhook(2))
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.processed, totals.dead_at_intake, len(sink.got)) == (2, 1, 2)
    [letter] = await dead_letters.newest(redis)
    assert (letter.reason, letter.path) == ("undecodable", "$")
    stored_letter = await dead_letters.get(redis, letter.id)
    assert stored_letter is not None
    assert stored_letter.body == b"not json"


async def test_an_unknown_source_is_a_dead_letter(redis: Client, worker: Start) -> None:
    await send(redis, webhook(1), source="absent")
    worker()
    await wait_until_idle(redis)
    assert [letter.reason for letter in await dead_letters.newest(redis)] == ["unknown source"]


async def test_a_failed_attempt_is_repeated_with_the_same_key(redis: Client, sink: Sink, worker: Start) -> None:
    sink.answer = lambda _n, times: web.Response(status=500 if times < 4 else 200)
    await send(redis, *(webhook(n) for n in range(10)))
    worker()
    totals = await wait_until_idle(redis)
    assert totals.sent == 10
    assert set(sink.times.values()) == {4}
    assert sorted({n["attempt"] for n in sink.got}) == [1, 2, 3, 4]


async def test_retry_after_is_honoured(redis: Client, sink: Sink, worker: Start) -> None:
    sink.answer = lambda _n, times: (
        web.Response(status=429, headers={"Retry-After": "3600"}) if times == 1 else web.Response()
    )
    await send(redis, webhook(1))
    worker()

    async def due() -> float | None:
        scores = await redis.zrange(KEYS.queue, 0, -1, withscores=True)
        later = [score for job, score in scores if job.endswith(b".1")]
        return later[0] if later and sink.got else None

    async def far_off() -> bool:
        score = await due()
        seconds, _ = await redis.time()
        return score is not None and 3000 < score / 1000 - seconds <= 3601

    await until(far_off)
    assert len(sink.got) == 1


async def test_a_permanent_failure_is_not_retried(redis: Client, sink: Sink, worker: Start) -> None:
    sink.answer = lambda _n, _times: web.Response(status=404, text="no such thing")
    await send(redis, webhook(1))
    worker()
    totals = await wait_until_idle(redis)
    assert (totals.dead, len(sink.got)) == (1, 1)
    [letter] = await dead_letters.newest(redis)
    assert (letter.stage, letter.reason, letter.error, letter.channel) == (
        "notify",
        "permanent",
        "answered 404",
        "sink",
    )
    assert [a.answer for a in letter.attempts] == ["no such thing"]


async def test_a_notification_without_attempts_left_becomes_a_dead_letter_with_every_attempt_and_replays(
    redis: Client, sink: Sink, worker: Start
) -> None:
    sink.answer = lambda _n, _times: web.Response(status=503)
    await send(redis, webhook(1))
    worker()
    await wait_until_idle(redis)
    [letter] = await dead_letters.newest(redis)
    assert letter.reason == "exhausted"
    assert [a.error for a in letter.attempts] == ["answered 503"] * 12 == ["answered 503"] * len(sink.got)

    sink.answer = lambda _n, _times: web.Response()
    stored_letter = await dead_letters.get(redis, letter.id)
    assert stored_letter is not None
    await replay.replay(redis, [stored_letter])
    totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead, len(sink.times)) == (1, 0, 1)


async def test_a_payload_that_does_not_fit_the_text_becomes_a_dead_letter_that_names_the_missing_field(
    redis: Client, worker: Start
) -> None:
    await send(redis, b'{"who": "Ada"}', hint="shop.points_added")
    worker()
    await wait_until_idle(redis)
    [letter] = await dead_letters.newest(redis)
    assert letter.reason == "render"
    assert "'customer' is undefined" in letter.error


async def test_every_key_is_declared_with_its_type_and_expiry(redis: Client, sink: Sink, worker: Start) -> None:
    rules = (
        Rule(name="newest", events=("*",), channel="sink", text="x", latest_only="voucher.id"),
        Rule(
            name="together",
            events=("*",),
            channel="sink",
            text="x",
            digest=DigestSettings(key="source", window="1s"),
        ),
    )
    sink.answer = lambda n, times: web.Response(status=404 if n["rule"] == "newest" and times > 1 else 500)
    await send(redis, b"bad", *(webhook(n) for n in range(50)), webhook(1))
    process = worker(parts=Parts(rules=rules))
    await until(lambda: len(sink.got) > 100)
    assert await undeclared(redis) == []
    sink.answer = ok
    await wait_until_idle(redis)
    assert process.stop() == 0
    assert await undeclared(redis) == []


async def test_sigterm_finishes_running_sends(redis: Client, sink: Sink, worker: Start) -> None:
    release = asyncio.Event()

    async def slowly(_n: object, _times: int) -> web.Response:
        await release.wait()
        return web.Response()

    sink.answer = slowly
    await send(redis, *(webhook(n) for n in range(5)))
    process = worker(lease_s=5.0)
    await until(lambda: len(sink.got) == 5)
    process.signal(signal.SIGTERM)
    release.set()
    assert await asyncio.to_thread(process.process.wait, 20) == 0
    totals = await stats.read_totals(redis)
    assert (totals.sent, totals.waiting, set(sink.times.values())) == (5, 0, {1})
