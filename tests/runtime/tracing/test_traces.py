"""One webhook is one trace: receiver and worker in this process, with a real Redis and a real target."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import longest_block_s
from broker.redis.partitions import connect_all
from receiver.ingress.source_verifier import source_verifiers
from receiver.receiver import Receiver
from receiver.settings import Settings as ReceiverSettings
from runtime.listening_socket import listen
from runtime.tracing.context import line, trace_id_of, with_line
from sources.voucherify import HEADER, sign
from tests.inspector.stack import all_letters, run_action, sample, wait_until_idle
from tests.receiver.serving import PATH, SECRET, SOURCES
from tests.redis_server import RedisServer
from tests.until import until
from tests.worker_process import sink_channel
from worker.components import Setup, worker_source
from worker.main import run_on
from worker.rules.rules import DigestSettings, Rule
from worker.settings import Settings
from worker.vitals import Vitals

otel = pytest.importorskip("opentelemetry.sdk.trace.export", reason="the extra otel is not installed")
INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RULE = Rule(name="to-sink", events=("*",), channel="sink", text="it happened")


class Target:
    """A server that keeps the headers of what it gets, and answers with these statuses, the last one for ever."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.statuses = [200]
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(status=self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


class Traced:
    """A receiver and a worker whose spans are kept."""

    def __init__(self, exporter: Any, target: Target, port: int) -> None:
        self.exporter = exporter
        self.target = target
        self.port = port

    async def post(self, number: int, incoming: str = "") -> None:
        body = sample(number)
        headers = {HEADER: sign(body, SECRET), **({"traceparent": incoming} if incoming else {})}
        url = f"http://127.0.0.1:{self.port}{PATH}"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 202

    def spans(self, name: str = "") -> list[Any]:
        return [span for span in self.exporter.get_finished_spans() if span.name.startswith(name)]


@asynccontextmanager
async def traced(
    server: RedisServer, *, rules: Sequence[Rule] = (RULE,), attempts: int = 12, ratio: float = 1.0
) -> AsyncIterator[Traced]:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from runtime.tracing.tracer import Tracer

    exporter, target = InMemorySpanExporter(), Target()
    tracer = Tracer("receiver", otel.SimpleSpanProcessor(exporter), ratio)
    app = web.Application()
    app.router.add_post("/", target.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    redis = RedisSettings(url=server.url)
    receiver_settings, settings, stop = ReceiverSettings(port=0), Settings(stop_grace_s=5), asyncio.Event()
    of_receiver = connect_all(redis)
    verifiers = source_verifiers(SOURCES, (), public_url="")
    receiver = Receiver(receiver_settings, verifiers, of_receiver, tracer=tracer)
    listener = listen("127.0.0.1", 0)
    await receiver.start(listener)
    setup = Setup(
        sources={name: worker_source(source) for name, source in SOURCES.items()},
        rules=tuple(rules),
        channels=sink_channel(target.url, retry={"base_s": 0.01, "cap_s": 0.01, "attempts": attempts}),
    )
    vitals = Vitals(settings, tracer)
    worker = asyncio.create_task(
        run_on(settings, setup, connect_all(redis), block_s=longest_block_s(redis), stop=stop, vitals=vitals)
    )
    try:
        yield Traced(exporter, target, listener.getsockname()[1])
    finally:
        stop.set()
        await worker
        await receiver.stop()
        await of_receiver.aclose()
        await runner.cleanup()
        tracer.close()


async def test_one_trace_goes_from_the_request_to_the_target(redis: Client, redis_server: RedisServer) -> None:
    async with traced(redis_server) as stack:
        await stack.post(1, INCOMING)
        await wait_until_idle(redis)
        await until(lambda: len(stack.spans()) == 4)
        [received], [batch] = stack.spans("POST /webhooks/voucherify"), stack.spans("intake of a batch")
        [intake], [attempt] = stack.spans("intake voucherify"), stack.spans("notify sink")

    trace_id = int(INCOMING.split("-")[1], 16)
    assert {span.context.trace_id for span in (received, batch, intake, attempt)} == {trace_id}
    assert f"{received.parent.span_id:016x}" == INCOMING.split("-")[2]
    assert {span.parent.span_id for span in (batch, intake, attempt)} == {received.context.span_id}
    assert [link.context.span_id for link in intake.links] == [batch.context.span_id]
    assert received.attributes["http.response.status_code"] == 202
    wanted = {
        "hookline.rule": "to-sink",
        "hookline.channel": "sink",
        "hookline.attempt": 1,
        "hookline.outcome": "sent",
    }
    assert wanted.items() <= dict(attempt.attributes).items()
    sent = stack.target.headers[0]["traceparent"]
    assert sent == f"00-{trace_id:032x}-{attempt.context.span_id:016x}-01"
    assert received.start_time <= received.end_time <= attempt.end_time


async def test_each_retry_and_a_replay_are_linked_to_the_attempt_before(
    redis: Client, redis_server: RedisServer
) -> None:
    async with traced(redis_server, attempts=2) as stack:
        stack.target.statuses = [500, 500, 200]
        await stack.post(1)
        await wait_until_idle(redis)
        [letter] = await all_letters(redis)
        assert (await run_action(redis, "replay", [letter.id])).done == 1
        await wait_until_idle(redis)
        await until(lambda: len(stack.spans("notify")) == 3)
        first, retry, replayed = stack.spans("notify")

    assert len({span.context.trace_id for span in stack.spans()}) == 1
    assert [len(first.links), len(retry.links), len(replayed.links)] == [0, 1, 1]
    assert retry.links[0].context.span_id == first.context.span_id
    assert replayed.links[0].context.span_id == retry.context.span_id
    assert [span.links[0].attributes["hookline.link"] for span in (retry, replayed)] == ["retry", "replay"]
    assert [span.attributes["hookline.outcome"] for span in (first, retry, replayed)] == ["retry", "retry", "sent"]
    assert first.attributes["error.type"] == "Http500"
    assert not first.status.is_ok and replayed.status.is_unset


async def test_a_digest_is_linked_to_its_webhooks(redis: Client, redis_server: RedisServer) -> None:
    rule = Rule(
        name="digest",
        events=("*",),
        channel="sink",
        text="{{ count }}",
        digest=DigestSettings(key="'all'", window="1s"),
    )
    async with traced(redis_server, rules=[rule]) as stack:
        await stack.post(1)
        await stack.post(2)
        await wait_until_idle(redis)
        await until(lambda: stack.spans("notify"))
        [attempt] = stack.spans("notify")
        received = {span.context.span_id for span in stack.spans("POST")}
    assert {link.context.span_id for link in attempt.links} == received
    assert len(received) == 2


async def test_a_webhook_that_is_not_sampled_leaves_nothing_in_redis(
    redis: Client, redis_server: RedisServer
) -> None:
    async with traced(redis_server, ratio=0.0) as stack:
        await stack.post(1)
        await stack.post(2, INCOMING.removesuffix("1") + "0")  # its sender did not sample it
        await until(lambda: len(stack.target.headers) == 2)
        await wait_until_idle(redis)
        assert stack.spans() == []
    assert not [headers for headers in stack.target.headers if "traceparent" in headers]


def test_the_context_is_a_line_among_the_kept_headers() -> None:
    kept = "content-type: text/plain\ntraceparent: other\nuser-agent: traceparent: x"
    changed = with_line(kept, "traceparent", INCOMING)
    assert line(changed, "traceparent") == INCOMING
    assert changed.split("\n")[:2] == ["content-type: text/plain", "user-agent: traceparent: x"]
    assert trace_id_of(changed) == INCOMING.split("-")[1]
    assert with_line("traceparent: x", "traceparent", "") == ""
    assert (line("", "traceparent"), trace_id_of("traceparent: broken")) == ("", "")


def test_without_traces_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys; import launcher.composition.components, launcher.cli, worker.main, receiver.server;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
