"""`hookline drift` as people and scripts see it."""

import asyncio
import json
from pathlib import Path

import pytest

from broker.monitoring import drift
from broker.monitoring.drift import Deviation
from broker.redis.client import Client
from tests.launcher.running import environment, hookline
from tests.redis_server import RedisServer

EVENT = "voucher.created"


@pytest.fixture
async def noted(redis: Client) -> None:
    await drift.note(
        redis,
        "voucherify",
        {
            Deviation(EVENT): 4,
            Deviation(EVENT, "changed type", "$.data.voucher.code", "string", "integer"): 1,
            Deviation(EVENT, "unknown key", "$.data.voucher.colour", "", "string"): 3,
            Deviation("moon.phase.changed"): 1,
            Deviation("moon.phase.changed", "unknown event"): 1,
        },
    )


async def run(tmp_path: Path, redis_server: RedisServer, *arguments: str) -> tuple[int, str]:
    env = environment(REDIS_URL=redis_server.url)
    ran = await asyncio.to_thread(hookline, "drift", *arguments, cwd=tmp_path, env=env)
    return ran.returncode, ran.stdout


@pytest.mark.usefixtures("noted")
async def test_the_table_shows_what_deviates_and_in_how_many_samples(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    code, output = await run(tmp_path, redis_server)
    assert code == 0
    assert "$.data.voucher.code is integer, not string" in output
    assert "1 of 4" in output
    assert "event name without a model" in output


@pytest.mark.usefixtures("noted")
async def test_json_has_every_deviation_and_filters_hold(tmp_path: Path, redis_server: RedisServer) -> None:
    (code, output), (_, only) = await asyncio.gather(
        run(tmp_path, redis_server, "--json", "--exit-code"),
        run(tmp_path, redis_server, "--json", "--event", "moon.phase.changed"),
    )
    assert code == 1
    records = json.loads(output)
    assert [(r["event"], r["what"], r["count"], r["samples"]) for r in records] == [
        ("moon.phase.changed", "unknown event", 1, 1),
        (EVENT, "changed type", 1, 4),
        (EVENT, "unknown key", 3, 4),
    ]
    assert [r["what"] for r in json.loads(only)] == ["unknown event"]


async def test_the_absence_of_drift_is_stated(tmp_path: Path, redis_server: RedisServer) -> None:
    code, output = await run(tmp_path, redis_server, "--exit-code")
    assert (code, output.strip()) == (0, "no drift in 0 samples")
