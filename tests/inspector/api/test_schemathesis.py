"""Requests that openapi.json allows, and many that it does not, to a real server: answers are as documented."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker.redis.client import Client
from inspector.http import login_throttle
from tests.inspector.api.calling import TOKENS, add_many_kinds, calling
from tests.redis_server import RedisServer
from tests.subprocesses import running_program
from tools.openapi import FILE

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "20")
"""The number of requests for each operation. Set it higher for a run by hand."""


@pytest.mark.timeout(600)
async def test_schemathesis_finds_nothing(
    redis_server: RedisServer, redis: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        login_throttle, "FREE", 10**9
    )  # it tries wrong tokens, after which all answers would be 429
    await add_many_kinds(redis_server, redis)
    async with (
        calling(redis_server) as api,
        running_program(
            Path(sys.executable).with_name("schemathesis"),
            "run",
            FILE,
            f"--url={api.served.url}",
            f"--header=Authorization: Bearer {TOKENS['ann']}",
            "--checks=all",
            f"--max-examples={EXAMPLES}",
            "--generation-deterministic",
            "--no-color",
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "Rate limited" not in output.decode()
