"""Test of several projects together: each with its own path, secret and rules."""

from __future__ import annotations

from pathlib import Path

import msgspec

from broker.monitoring.stats import read_totals
from broker.redis.client import Client
from tests.launcher.stack import Stack
from tests.redis_server import RedisServer
from tests.until import until

CONFIG = """
[sources.loyalty-eu]
kind = "voucherify"
secrets = ["file:eu.key"]
addresses = ["eu1", "127.0.0.1"]

[sources.loyalty-us]
kind = "voucherify"
secrets = ["file:us.key"]

[sources.closed]
secrets = ["file:us.key"]
addresses = ["us1"]

[[rules]]
name = "of-europe"
events = ["*"]
channel = "console"
sources = ["loyalty-eu"]
text = "europe got {{ balance.points }}"

[[rules]]
name = "of-america"
events = ["*"]
channel = "console"
sources = ["*-us"]
text = "america got {{ balance.points }}"

[[rules]]
name = "of-all"
events = ["*"]
channel = "console"
text = "a customer got {{ balance.points }}"
"""


async def test_two_projects_do_not_mix(tmp_path: Path, redis_server: RedisServer, redis: Client) -> None:
    stack = Stack(tmp_path, redis_server)
    stack.configure(CONFIG)
    europe, america = stack.write_secret("eu.key", "secret-of-europe"), stack.write_secret("us.key", "of-america")
    try:
        running = await stack.start("up")

        assert await stack.post("loyalty-us", europe) == 401
        assert await stack.post("loyalty-eu", america) == 401
        assert await stack.post("closed", america) == 403
        assert await stack.post("loyalty-eu", europe) == 202
        assert await stack.post("loyalty-us", america) == 202  # the same event, from another project
        assert await stack.post("loyalty-us", america) == 202  # and a duplicate

        async def is_done() -> bool:
            totals = await read_totals(redis)
            return (totals.processed, totals.duplicate, totals.sent) == (2, 1, 4)

        await until(is_done)
        await until(lambda: running.output.count("webhook_refused") >= 3)
    finally:
        stack.kill()
    assert (running.output.count("europe got"), running.output.count("america got")) == (1, 1)
    assert running.output.count("a customer got") == 2
    lines = [msgspec.json.decode(line) for line in running.output.splitlines() if "webhook_refused" in line]
    refused = {(line["status"], line["source"]) for line in lines}
    assert refused == {(401, "loyalty-us"), (401, "loyalty-eu"), (403, "closed")}
