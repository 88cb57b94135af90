"""Tests of `hookline send`: what it sends, and how it counts the answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from launcher.commands.send.delivery_plan import Plan, deliveries
from launcher.commands.send.load_generator import (
    NO_ANSWER,
    TIMED_OUT,
    Latencies,
    Tally,
    Target,
    UnreachableError,
    send_all,
)
from launcher.commands.send.send import SendError, _address, as_line, as_text, receiver_url
from receiver.settings import Settings as ReceiverSettings
from sources import KINDS
from sources.errors import SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.signed_request import SignedRequest

KIND = KINDS["voucherify"]
SECRET = Secret("a secret of the tests")
EVENT = "customer.voucher.loyalty_card.points_added"

Answering = Callable[[web.Request], Awaitable[web.Response]]
Serve = Callable[[Answering], Awaitable[str]]


def plan(**changes: object) -> Plan:
    return msgspec.structs.replace(
        Plan(kind=KIND, secret=SECRET, wrong_secret=Secret("wrong"), event=EVENT, seed=7), **changes
    )


def identities(sent: Plan) -> list[str]:
    return [KIND.decode(delivery.content.body, "").identity for delivery in deliveries(sent)]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers = []

    async def start(answering: Answering) -> str:
        app = web.Application()
        app.router.add_post("/{anything:.*}", answering)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("/webhooks/voucherify"))

    yield start
    for server in servers:
        await server.close()


async def checking(request: web.Request) -> web.Response:
    try:
        KIND.verify(SignedRequest(await request.read(), request.headers), secrets=[SECRET])
    except SignatureError:
        return web.Response(status=401)
    return web.Response(status=202)


def target(url: str, **changes: object) -> Target:
    return msgspec.structs.replace(Target(url=url), **changes)


def test_every_sample_is_a_different_event() -> None:
    assert len(set(identities(plan(count=500)))) == 500


def test_the_same_seed_sends_the_same_events_and_another_seed_sends_others() -> None:
    first = identities(plan(count=50, duplicates=0.3))
    assert identities(plan(count=50, duplicates=0.3)) == first
    assert not set(identities(plan(count=50, seed=8))) & set(first)


def test_a_repeat_has_the_same_bytes_as_an_earlier_webhook() -> None:
    seen: set[bytes] = set()
    repeated = 0
    for delivery in deliveries(plan(count=1_000, duplicates=0.2)):
        assert (delivery.content.body in seen) == delivery.repeated
        seen.add(delivery.content.body)
        repeated += delivery.repeated
    assert 150 < repeated < 250


def test_only_a_wrong_signature_does_not_verify() -> None:
    wrong = 0
    for delivery in deliveries(plan(count=300, invalid=0.3)):
        if delivery.valid:
            KIND.verify(SignedRequest(delivery.content.body, delivery.headers), secrets=[SECRET])
            continue
        wrong += 1
        with pytest.raises(SignatureError):
            KIND.verify(SignedRequest(delivery.content.body, delivery.headers), secrets=[SECRET])
    assert 60 < wrong < 120


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_samples_of_each_provider_are_signed_as_it_signs_them(kind: Provider) -> None:
    secret, wrong, url = (
        Secret(kind.new_secret()),
        Secret(kind.new_secret()),
        "https://hooks.example.com/webhooks/a",
    )
    changes = {"kind": kind, "secret": secret, "wrong_secret": wrong, "url": url, "event": kind.sample_event}
    for delivery in deliveries(plan(count=30, invalid=0.3, duplicates=0.3, **changes)):
        request = SignedRequest(delivery.content.body, CIMultiDict(delivery.headers), "POST", url, time.time())
        try:
            kind.verify(request, secrets=[secret])
        except SignatureError:
            assert not delivery.valid
        else:
            assert delivery.valid


def test_a_body_file_is_sent_unchanged_and_counts_as_repeated_after_the_first() -> None:
    sent = list(deliveries(plan(count=3, body=b"  not json ")))
    assert [delivery.content.body for delivery in sent] == [b"  not json "] * 3
    assert [delivery.repeated for delivery in sent] == [False, True, True]


@pytest.mark.parametrize("name", ["adyen", "mailgun"])
def test_a_body_file_is_signed_where_the_signature_belongs_into_the_body(name: str) -> None:
    kind = KINDS[name]
    secret, body = Secret(kind.new_secret()), kind.sample(1, kind.sample_event)
    [delivery] = deliveries(plan(kind=kind, secret=secret, body=body))
    kind.verify(SignedRequest(delivery.content.body, delivery.headers, now_s=time.time()), secrets=[secret])


def test_a_raw_sample_is_the_payload_without_its_envelope() -> None:
    (delivery,) = deliveries(plan(raw=True))
    assert {"customer", "balance", "transaction"} <= set(json.loads(delivery.content.body))
    assert KIND.decode(delivery.content.body, EVENT).name == EVENT


async def test_a_mixed_load_is_answered_as_expected_and_counted(serve: Serve) -> None:
    tally = Tally()
    mixed = plan(count=400, duplicates=0.1, invalid=0.05)
    await send_all(target(await serve(checking), concurrency=16), deliveries(mixed), tally)
    assert tally.sent == 400
    assert tally.answers == Counter({"202": 400 - tally.invalid, "401": tally.invalid})
    assert tally.unexpected == 0
    assert tally.invalid > 5
    assert tally.accepted_events == 400 - tally.invalid - tally.repeated
    summary = json.loads(as_line(tally))
    assert summary["answers"] == {"202": tally.answers["202"], "401": tally.answers["401"]}
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"] <= summary["latency_ms"]["max"]
    assert "all as expected" in as_text(tally)


async def test_the_longest_time_without_a_202_is_measured(serve: Serve) -> None:
    statuses = iter((202, 503, 202))

    async def refuses_the_second(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=next(statuses), headers={"Retry-After": "1"})

    tally = Tally()
    await send_all(target(await serve(refuses_the_second), retries=1), deliveries(plan(count=2)), tally)
    assert 1 <= json.loads(as_line(tally))["longest_without_202_s"] < 10


async def test_a_wrong_answer_is_unexpected(serve: Serve) -> None:
    async def takes_everything(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202)

    tally = Tally()
    await send_all(target(await serve(takes_everything)), deliveries(plan(count=3, invalid=1.0)), tally)
    assert tally.unexpected == 3
    assert "3 not as expected" in as_text(tally)


async def test_a_503_is_retried_as_often_as_configured(serve: Serve) -> None:
    answers = iter([503, 503, 202])

    async def recovering(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=next(answers), headers={"Retry-After": "0"})

    tally = Tally()
    started = time.perf_counter()
    await send_all(target(await serve(recovering), retries=2), deliveries(plan()), tally)
    assert tally.answers == Counter({"202": 1})
    assert tally.retried == 2
    assert time.perf_counter() - started < 3  # its wait if the answer has no Retry-After


async def test_a_503_without_retries_is_final(serve: Serve) -> None:
    async def busy(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=503)

    tally = Tally()
    await send_all(target(await serve(busy)), deliveries(plan()), tally)
    assert (tally.answers, tally.unexpected) == (Counter({"503": 1}), 1)


async def test_a_missing_answer_is_counted_as_timed_out(serve: Serve) -> None:
    release = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await release.wait()
        return web.Response(status=202)

    tally = Tally()
    await send_all(target(await serve(silent), timeout_s=0.05), deliveries(plan()), tally)
    release.set()
    assert (tally.answers, tally.unexpected) == (Counter({TIMED_OUT: 1}), 1)


async def test_a_lost_connection_is_counted_and_the_other_webhooks_are_sent(serve: Serve) -> None:
    requests = 0

    async def dropping(request: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        await request.read()
        if requests == 2:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=202)

    tally = Tally()
    await send_all(target(await serve(dropping)), deliveries(plan(count=3)), tally)
    assert tally.answers == Counter({"202": 2, NO_ANSWER: 1})


async def test_a_refused_first_connection_ends_the_run(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/webhooks/voucherify"
    with pytest.raises(UnreachableError, match="no server answers at http"):
        await send_all(target(url, concurrency=8), deliveries(plan(count=100)), Tally())


async def test_the_rate_is_kept(serve: Serve) -> None:
    tally = Tally()
    await send_all(target(await serve(checking), concurrency=4, rate_per_s=200), deliveries(plan(count=41)), tally)
    assert 0.2 <= tally.seconds < 1.0


def test_percentiles_are_accurate_to_one_percent_in_bounded_memory() -> None:
    latencies = Latencies()
    for microseconds in range(1, 100_001):
        latencies.add(microseconds / 1000)
    for share in (0.5, 0.95, 0.99):
        assert latencies.percentile(share) == pytest.approx(100 * share, rel=0.01)
    assert latencies.percentile(1.0) == pytest.approx(100.0, rel=0.01)
    assert latencies.max_ms == 100.0
    assert len(latencies._buckets) < 1_200
    assert Latencies().percentile(0.5) == 0.0


@pytest.mark.parametrize(
    ("url", "query", "address"),
    [
        ("http://127.0.0.1:8080", "", "http://127.0.0.1:8080/webhooks/voucherify"),
        ("localhost:9000/", "", "http://localhost:9000/webhooks/voucherify"),
        ("https://example.com/in", "", "https://example.com/in"),
        ("http://[::1]:8080", "event=a.b", "http://[::1]:8080/webhooks/voucherify?event=a.b"),
        ("http://h/in?x=1", "event=a+b", "http://h/in?x=1&event=a+b"),
    ],
)
def test_a_url_without_a_path_gets_the_path_of_the_source(url: str, query: str, address: str) -> None:
    assert _address(url, "voucherify", query) == address


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://[", "http://h:port"])
def test_an_invalid_url_is_reported_in_one_line(url: str) -> None:
    with pytest.raises(SendError, match="not an address"):
        _address(url, "voucherify", "")


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "http://127.0.0.1:8080"), ("::", "http://[::1]:8080"), ("10.0.0.5", "http://10.0.0.5:8080")],
)
def test_a_receiver_on_every_interface_is_reached_at_the_loopback_address(host: str, address: str) -> None:
    assert receiver_url(ReceiverSettings(host=host)) == address
