"""Test of drift in a running stack: from a webhook over HTTP to what operators see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launcher.stack import Stack
from tests.redis_server import RedisServer
from tests.until import until

CONFIG = """
[sources.voucherify]
secrets = ["file:key"]
"""


@pytest.mark.usefixtures("redis")
async def test_a_new_event_name_is_shown_in_drift_in_metrics_and_among_the_alerts(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    stack = Stack(tmp_path, redis_server)
    stack.configure(CONFIG)
    stack.write_secret("key", "secret-of-this-test")
    try:
        await stack.start("up")
        await stack.run("send", "--event", "moon.phase.changed")

        async def noted() -> list[dict[str, object]]:
            findings: list[dict[str, object]] = json.loads(await stack.run("drift", "--json"))
            return findings

        [deviation] = await until(noted)
        assert (deviation["event"], deviation["what"]) == ("moon.phase.changed", "unknown event")
        alerts = json.loads(await stack.run("status", "--json"))["alerts_now"]
        assert [alert["kind"] for alert in alerts] == ["drift"]
        assert "hookline_drift_total 1.0" in await stack.metrics()
    finally:
        stack.kill()
