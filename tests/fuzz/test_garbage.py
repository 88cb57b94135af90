"""Tests that garbage in any key of Redis stops one thing, and never a process."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from tests.fuzz.garbage import Garbage
from tests.fuzz.stack import garbage_stack
from tests.redis_server import RedisServer

SECONDS = float(os.environ.get("GARBAGE_SECONDS", "120"))


async def run_with_garbage(directory: Path, server: RedisServer, *, seed: int, seconds: float) -> None:
    with server.client() as client:
        garbage = Garbage(client, seed)
        try:
            async with garbage_stack(directory, server) as stack:
                await stack.write_garbage(garbage, seconds=seconds)
                await stack.check()
                await stack.wait_for_digest()
                assert (await stack.status())["set_aside"], "keys that were set aside are shown"
                assert stack.faults() == {}
        except BaseException:
            last = "\n  ".join(garbage.written[-300:])
            sys.stderr.write(
                f"SEED={seed}, {len(garbage.written)} pieces of garbage were written, the last:\n  {last}\n"
            )
            raise


async def test_with_garbage_in_redis_no_process_ends_and_valid_webhooks_are_notified(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    await run_with_garbage(
        tmp_path, own_redis, seed=int(os.environ.get("SEED", random.randrange(10**6))), seconds=6.0
    )


@pytest.mark.chaos
async def test_with_garbage_for_a_long_time(own_redis: RedisServer, tmp_path: Path) -> None:
    await run_with_garbage(tmp_path, own_redis, seed=int(os.environ.get("SEED", "1")), seconds=SECONDS)
