"""Alerts under load: a failing channel, a paused channel and frozen workers are each reported, and each ends.

RATE events a second arrive for about a minute (2,000 by default).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web

from tests.launcher.running import hookline
from tests.launcher.stack import Stack
from tests.redis_server import RedisServer
from tests.sink import Sink, ok, running_sink
from tests.until import until

pytestmark = pytest.mark.chaos

RATE = int(os.environ.get("RATE", "2000"))
WITHIN_S = 60.0

CONFIG = """
[receiver]
spill_dir = "spill"
[worker]
processes = 1
[sources.voucherify]
[alerts]
channel = "ops"
channel_failing_s = 20
channel_paused_s = 20
queue_age_s = 20
[channels.ops]
kind = "http"
url = "{ops}"
allow_private = true
[channels.sick]
kind = "http"
url = "{sick}"
allow_private = true
[channels.crm]
kind = "http"
url = "{crm}"
allow_private = true
[[rules]]
name = "sick"
events = ["*"]
channel = "sick"
[[rules]]
name = "crm"
events = ["*"]
channel = "crm"
"""


def unavailable(_notification: object, _times: int) -> web.Response:
    return web.Response(status=503)


class Reported:
    """The alerts that the channel got, and when."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def of(self, kind: str, state: str, *, since: float) -> str:
        """Wait for an alert; return its text with the time that it took."""

        def found() -> list[str]:
            return [
                sent["text"]
                for sent in self._sink.got
                if sent["event"] == f"hookline.alert.{kind}" and sent["data"]["state"] == state
            ]

        [text, *more] = await until(found, seconds=WITHIN_S + 30)
        took_s = time.monotonic() - since
        sys.stdout.write(f"{took_s:5.1f} s  {state:6} {text}\n")
        assert took_s < WITHIN_S
        assert not more
        return str(text)


async def test_each_alert_comes_within_a_minute_and_each_ends(tmp_path: Path, own_redis: RedisServer) -> None:
    async with running_sink() as ops, running_sink() as sick, running_sink() as crm:
        stack = Stack(tmp_path, own_redis, HOOKLINE_SOURCES_VOUCHERIFY_SECRETS="a secret of the alert test")
        stack.configure(CONFIG.format(ops=ops.url, sick=sick.url, crm=crm.url))
        reported, sick.answer = Reported(ops), unavailable
        try:
            await stack.start("receiver")
            worker = await stack.start("worker")
            sending = await stack.start_sending("--count", str(60 * RATE), "--rate", str(RATE), "--retries", "5")
            began = time.monotonic()
            await stack.run("channel", "pause", "crm")
            failing = await reported.of("channel_failing", "raised", since=began)
            assert "Channel sick: answers 503, " in failing
            assert " held since " in failing
            assert "Channel crm: paused since " in await reported.of("channel_paused", "raised", since=began)

            recovered, sick.answer = time.monotonic(), ok
            await stack.run("channel", "resume", "crm")
            await reported.of("channel_paused", "over", since=recovered)
            await reported.of("channel_failing", "over", since=recovered)

            worker.signal(signal.SIGSTOP)
            frozen = time.monotonic()
            await reported.of("workers", "raised", since=frozen)
            worker.signal(signal.SIGCONT)
            thawed = time.monotonic()
            await reported.of("workers", "over", since=thawed)
            assert await sending.ends(seconds=300) == 0
            await until(lambda: _waiting(stack) == 0, seconds=300)
        finally:
            stack.kill()


def _waiting(stack: Stack) -> int:
    ran = hookline("status", "--json", cwd=stack.directory, env=stack.environment())
    return int(json.loads(ran.stdout)["waiting"])
