"""Notifications that look up their customer, from the stream to the receiver."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from broker import dead_letters
from broker.dead_letters import DeadLetter
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from sources import KINDS
from sources.api import Settings as ApiSettings
from tests.customers_api import TOKEN, CustomersApi, running_api
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.sink import Sink
from tests.until import until
from tests.worker.conftest import send, wait_until_idle
from tests.worker_process import sink_channel
from worker.enrichment import enrich
from worker.main import run
from worker.rules.rules import Rule
from worker.settings import Settings
from worker.worker_source import WorkerSource

ADA = {"name": "Ada Novak", "email": "ada@example.com", "phone": "+48 1", "metadata": {"vip": True}}
TEXT = "{{ customer.name }} <{{ customer.email }}>: {{ points }}"
RULE = Rule(name="mail", events=("*",), channel="sink", text=TEXT, enrich=("customer",))
HINT = "shop.points"


def body(number: int, **payload: Any) -> bytes:
    return json.dumps({"points": number, "customer": {"id": "cust_ada", "email": None}} | payload).encode()


@pytest.fixture
async def api() -> AsyncIterator[CustomersApi]:
    async with running_api() as api:
        api.customers = {"cust_ada": ADA}
        yield api


Working = Callable[..., Any]


@pytest.fixture
def working(redis_server: RedisServer, sink: Sink, api: CustomersApi) -> Working:
    @asynccontextmanager
    async def start(*rules: Rule, asked: ApiSettings | None = None) -> AsyncIterator[None]:
        stop = asyncio.Event()
        sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7, api=asked or api.settings())}
        redis = RedisSettings(url=redis_server.url)
        channels = sink_channel(sink.url, retry={"base_s": 0.05, "cap_s": 0.2, "attempts": 4})
        worker = run(Settings(stop_grace_s=5), sources, rules or (RULE,), channels, redis, stop=stop)
        task = asyncio.create_task(worker)
        try:
            yield
        finally:
            stop.set()
            await task

    return start


async def the_letter(redis: Client) -> DeadLetter:
    [letter] = await dead_letters.newest(redis)
    return letter


async def test_text_and_json_get_the_looked_up_fields_and_keep_those_of_the_payload(
    redis: Client, sink: Sink, working: Working
) -> None:
    await send(redis, body(40, customer={"id": "cust_ada", "name": "Ada N.", "email": None}), hint=HINT)
    async with working():
        await wait_until_idle(redis)
    [sent] = sink.got
    assert sent["text"] == "Ada N. <ada@example.com>: 40"
    assert sent["data"] == {
        "points": 40,
        "customer": {"object": "customer", **ADA, "id": "cust_ada", "name": "Ada N."},
    }


async def test_one_customer_of_fifty_notifications_is_requested_once(
    redis: Client, sink: Sink, api: CustomersApi, working: Working
) -> None:
    await send(redis, *(body(n) for n in range(50)), hint=HINT)
    async with working():
        totals = await wait_until_idle(redis)
    assert (totals.sent, api.ids) == (50, ["cust_ada"])
    assert {n["text"] for n in sink.got} == {f"Ada Novak <ada@example.com>: {n}" for n in range(50)}


async def test_a_rule_that_does_not_ask_costs_no_request(
    redis: Client, sink: Sink, api: CustomersApi, working: Working
) -> None:
    await send(redis, body(1), hint=HINT)
    async with working(Rule(name="plain", events=("*",), channel="sink", text="{{ points }}")):
        await wait_until_idle(redis)
    assert ([n["text"] for n in sink.got], api.asked) == (["1"], [])


@pytest.mark.parametrize("customer", [{"id": "cust_gone"}, None])
async def test_an_unknown_customer_is_a_dead_letter_only_where_the_text_needs_it(
    redis: Client, sink: Sink, working: Working, customer: object
) -> None:
    plain = Rule(name="plain", events=("*",), channel="sink", text="{{ points }}", enrich=("customer",))
    await send(redis, body(1, customer=customer), hint=HINT)
    async with working(RULE, plain):
        totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead, [n["text"] for n in sink.got]) == (1, 1, ["1"])
    letter = await the_letter(redis)
    assert (letter.reason, letter.rule) == ("customer unknown", "mail")
    text = "the API of source voucherify answered 404" if customer else "the payload does not say whom to look up"
    assert letter.error.startswith(f"customer unknown: {text}; text of rule 'mail': ")


async def test_a_failing_api_is_retried_until_it_answers(
    redis: Client, sink: Sink, api: CustomersApi, working: Working
) -> None:
    api.answer = lambda _id, times: web.Response(status=503) if times < 3 else None
    await send(redis, body(1), hint=HINT)
    async with working():
        totals = await wait_until_idle(redis)
    assert (totals.sent, len(api.asked), [n["attempt"] for n in sink.got]) == (1, 3, [3])


async def test_an_api_that_keeps_failing_ends_in_a_dead_letter_with_every_attempt(
    redis: Client, sink: Sink, api: CustomersApi, working: Working
) -> None:
    api.answer = lambda _id, _times: web.Response(status=500)
    await send(redis, body(1), hint=HINT)
    async with working():
        await wait_until_idle(redis)
    letter = await the_letter(redis)
    assert (letter.reason, letter.error) == ("exhausted", "looking up the customer: answered 500")
    assert [a.error for a in letter.attempts] == ["looking up the customer: answered 500"] * 4
    assert sink.got == []


async def test_retry_after_of_the_api_is_honoured(redis: Client, api: CustomersApi, working: Working) -> None:
    def answer(_id: str, times: int) -> web.Response | None:
        return web.Response(status=429, headers={"Retry-After": "1"}) if times == 1 else None

    api.answer = answer
    await send(redis, body(1), hint=HINT)
    async with working():
        totals = await wait_until_idle(redis)
    (_, first), (_, second) = api.asked
    assert totals.sent == 1
    assert second - first >= 0.95


@pytest.mark.parametrize(
    ("answer", "reason", "error"),
    [
        (web.Response(status=401), "misconfigured", "looking up the customer: answered 401: check sources."),
        (web.Response(status=400), "permanent", "looking up the customer: answered 400"),
        (web.Response(text="<html>"), "permanent", "looking up the customer: the answer is not a JSON object"),
    ],
)
async def test_a_permanent_failure_is_a_dead_letter_immediately(
    redis: Client, api: CustomersApi, working: Working, answer: web.Response, reason: str, error: str
) -> None:
    api.answer = lambda _id, _times: answer
    await send(redis, body(1), hint=HINT)
    async with working():
        await wait_until_idle(redis)
    letter = await the_letter(redis)
    assert (letter.reason, len(letter.attempts), len(api.asked)) == (reason, 1, 1)
    assert letter.error.startswith(error)


async def test_a_source_without_api_is_a_dead_letter_that_says_so(
    redis: Client, redis_server: RedisServer, sink: Sink
) -> None:
    await send(redis, body(1), hint=HINT)
    stop = asyncio.Event()
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], 7)}
    settings = RedisSettings(url=redis_server.url)
    worker = run(Settings(stop_grace_s=5), sources, (RULE,), sink_channel(sink.url), settings, stop=stop)
    task = asyncio.create_task(worker)
    await wait_until_idle(redis)
    stop.set()
    await task
    letter = await the_letter(redis)
    assert letter.reason == "misconfigured"
    assert "sources.voucherify.api is not set" in letter.error


async def test_a_lookup_that_waits_too_long_is_postponed(
    redis: Client, sink: Sink, api: CustomersApi, working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrich, "GIVE_UP_AFTER_S", 0.1)
    release = asyncio.Event()

    async def slow(_id: str, _times: int) -> None:
        await release.wait()

    api.answer = slow
    plain = Rule(name="plain", events=("*",), channel="sink", text="{{ points }}")
    await send(redis, *(body(n) for n in range(3)), hint=HINT)
    async with working(RULE, plain):
        await until(lambda: len(sink.got) == 3)
        await until(lambda: redis.keys(KEYS.job + "*.3"))  # the three that were postponed, in a job of their own
        release.set()
        totals = await wait_until_idle(redis)
    assert (totals.sent, totals.dead, api.ids) == (6, 0, ["cust_ada"])
    assert {n["attempt"] for n in sink.got} == {1}


async def test_neither_token_nor_personal_data_is_logged(
    redis: Client, api: CustomersApi, working: Working, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = [
        lambda: web.Response(status=500, text=f"{TOKEN} ada@example.com"),
        lambda: web.Response(status=401, text=f"{TOKEN} ada@example.com"),
        lambda: web.Response(text="ada@example.com"),
        lambda: None,
    ]
    api.answer = lambda _id, times: wrong[times % len(wrong)]()
    await send(redis, *(body(n, customer={"id": f"cust_{n}"}) for n in range(20)), hint=HINT)
    async with working():
        await wait_until_idle(redis)
    text = "".join(str(record.__dict__) for record in caplog.records if record.name.startswith("hookline"))
    assert "looking up the customer" in text
    for private in (TOKEN, "ada@example.com", "cust_"):
        assert private not in text
