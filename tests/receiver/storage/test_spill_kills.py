"""Tests that a receiver may be killed at every step between a webhook and its deletion from the disk."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from broker.monitoring.stats import read_totals
from broker.redis.client import Client
from tests.launcher.running import ROOT, environment
from tests.receiver.serving import serving, stored
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tests.until import until


@pytest.mark.parametrize(
    ("step", "twice"),
    [
        ("within the write", 0),
        ("before the sync", 0),
        ("before the answer", 0),
        ("drain: before it is noted", 100),
        ("drain: before it is deleted", 0),
    ],
)
async def test_a_receiver_killed_at_any_step_loses_nothing_that_it_accepted(
    redis_server: RedisServer, redis: Client, tmp_path: Path, step: str, twice: int
) -> None:
    async with running_program(
        sys.executable,
        "-m",
        "tests.receiver.spilling_process",
        str(tmp_path),
        redis_server.url,
        step,
        cwd=ROOT,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
    ) as killed:
        printed, _ = await killed.communicate()
    kept = printed.decode().split()
    assert (killed.returncode, kept) == (-9, ["kept-0", "kept-1", "kept-2"])

    async with serving(redis, spill_dir=str(tmp_path)):
        await until(lambda: not any(tmp_path.iterdir()))

    names = [body.decode() for body in await stored(redis)]
    assert {name for name in names if name != "last"} == set(kept)
    assert sum(name != "last" for name in names) == 300 + twice
    assert names == sorted(names) or twice
    assert (await read_totals(redis)).bodies_add_up()
