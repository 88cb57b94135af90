"""Test of a running stack whose Redis is stopped for a moment: its reports during the outage and afterwards."""

from __future__ import annotations

import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.voucherify import VOUCHERIFY
from tests.inspector.stack import sample
from tests.launcher.running import Running, environment, hookline
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.until import until

SECRET = "given-secret"
METRICS_PORT = free_port()


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as name:
        yield Path(name)


def variables(server: RedisServer) -> dict[str, str]:
    return environment(
        REDIS_URL=server.url,
        HOOKLINE_RECEIVER_PORT="0",
        HOOKLINE_RECEIVER_PROCESSES="2",
        HOOKLINE_INSPECTOR_METRICS_PORT=str(METRICS_PORT),
        HOOKLINE_SOURCES_VOUCHERIFY_SECRETS=SECRET,
    )


def post(base: str, number: int) -> int:
    body = sample(number)
    signature = VOUCHERIFY.sign(SignedRequest(body, {}), Secret(SECRET))
    headers = {**signature, "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{base}/webhooks/voucherify", data=body, headers=headers), timeout=10
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def metric(base: str, name: str) -> float:
    """Return the largest value of a metric over processes, -1 for none."""
    with urllib.request.urlopen(f"{base}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    values = re.findall(rf'^{name}{{(?:process="."|,|source="voucherify")+}} (\S+)$', text, re.MULTILINE)
    return max(map(float, values), default=-1.0)


async def test_an_outage_of_redis_is_shown_in_metrics_and_status_until_a_webhook_is_accepted(
    own_redis: RedisServer, directory: Path
) -> None:
    env = variables(own_redis)
    running = Running("-m", "launcher", "up", cwd=directory, env=env)

    def source() -> dict[str, Any]:
        report = hookline("status", "--json", cwd=directory, env=env)
        [source] = msgspec.json.decode(report.stdout)["sources"]
        assert isinstance(source, dict)
        return source

    try:
        await running.says("try it")
        match = re.search(r"(http://\S+)/webhooks/voucherify", running.output)
        assert match
        base, fleet = match[1], f"http://127.0.0.1:{METRICS_PORT}"
        await until(lambda: post(base, 0) == 202)
        own_redis.stop()
        assert [post(base, number) for number in range(1, 5)] == [503] * 4
        await until(lambda: metric(base, "hookline_receiver_source_failing_seconds") > 0)
        own_redis.start()

        await until(lambda: source()["failing_answers"] == 4)
        during = source()
        assert during["tries_left"] == 12
        assert during["disabled_at_ms"] == during["failing_since_ms"] + 86_400_000
        assert metric(fleet, "hookline_source_failing_seconds") > 0
        output = hookline("status", cwd=directory, env=env).stdout
        assert "4 errors since" in output and "about 12 tries (until" in output

        await until(lambda: post(base, 1) == 202)
        after = source()
        assert (after["failing_since_ms"], after["tries_left"]) == (0, None)
        assert after["outage_since_ms"] == during["failing_since_ms"]
        assert after["outage_answers"] == 4
        await until(lambda: metric(fleet, "hookline_source_failing_seconds") == 0)
        assert "last outage" in hookline("status", cwd=directory, env=env).stdout
    finally:
        running.kill()
