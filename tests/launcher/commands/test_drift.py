"""Test of drift in a running stack: from a webhook over HTTP to what operators see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sources import KINDS
from tests.launcher.stack import Stack
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.until import until

CONFIG = """
[sources.voucherify]
secrets = ["file:key"]
"""


PROVIDERS = """
[sources.payments]
kind = "stripe"
[sources.repo]
kind = "github"
[sources.fork]
kind = "github"
[[rules]]
name = "paid"
events = ["invoice.paid"]
channel = "console"
text = "{{ data.object.number }}"
"""


@pytest.mark.usefixtures("redis")
async def test_a_changed_payload_of_a_provider_is_drift_of_its_source_and_is_notified(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    body = json.loads(KINDS["stripe"].sample(1, "invoice.paid"))
    body["data"]["object"]["amount_paid"] = "19.99"
    (tmp_path / "changed.json").write_text(json.dumps(body))
    stack = Stack(tmp_path, redis_server)
    stack.configure(PROVIDERS)
    try:
        await stack.start("up")
        assert "1 x 202: all as expected" in await stack.run(
            "send", "--provider", "stripe", "--file", "changed.json"
        )

        async def noted() -> list[dict[str, object]]:
            findings: list[dict[str, object]] = json.loads(await stack.run("drift", "--json"))
            return findings

        [deviation] = await until(noted)
        assert (deviation["source"], deviation["event"], deviation["what"], deviation["path"]) == (
            "payments",
            "invoice.paid",
            "changed type",
            "$.data.object.amount_paid",
        )

        async def notified() -> bool:
            status = json.loads(await stack.run("status", "--json"))
            return bool(status["sent"] == 1)

        await until(notified)

        with pytest.raises(
            AssertionError, match="several sources have this kind: choose one with --source repo or"
        ):
            await stack.run("send", "--provider", "github")
        with pytest.raises(AssertionError, match="no source has this kind, and so no secret to sign with"):
            await stack.run("send", "--provider", "linear")
    finally:
        stack.kill()


@pytest.mark.usefixtures("redis")
async def test_a_new_event_name_is_shown_in_drift_in_metrics_and_among_the_alerts(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    port = free_port()
    stack = Stack(tmp_path, redis_server, HOOKLINE_INSPECTOR_METRICS_PORT=str(port))
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
        assert "hookline_drift_total 1.0" in await stack.metrics(port)
    finally:
        stack.kill()
