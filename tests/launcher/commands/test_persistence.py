"""The setting redis.persistence changes `check`, /readyz, `status`, the log, and whether the main job runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.redis.connection import Settings, connect
from tests.launcher.running import Running, environment, hookline
from tests.main_job import run_main_job
from tests.receiver.serving import Served, serving
from tests.redis_server import RedisServer
from tests.redis_users import user_url

CHOICE = {"managed": "HOOKLINE_REDIS_PERSISTENCE", "memory": "HOOKLINE_RECEIVER_DURABILITY"}
LOSS = "if Redis restarts without its data, everything in it is lost"


@pytest.fixture
def memory_only(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that keeps nothing on disk."""
    directory = tmp_path / "redis"
    directory.mkdir()
    server = RedisServer(directory, appendonly="no").start()
    yield server
    server.kill()


@pytest.fixture
def unconfirmed(redis_server: RedisServer) -> str:
    """The address of a Redis that has a log, and refuses CONFIG and WAITAOF."""
    return user_url(redis_server, "~*", "+@all", "-config", "-waitaof")


def checked(directory: Path, url: str, **settings: str) -> tuple[int, dict[str, Any]]:
    ran = hookline("check", "--json", cwd=directory, env=environment(REDIS_URL=url, **settings))
    report: dict[str, Any] = json.loads(ran.stdout)
    return ran.returncode, report


@asynccontextmanager
async def received(url: str, persistence: Any, **options: Any) -> AsyncIterator[Served]:
    client = connect(Settings(url=url, persistence=persistence))
    async with serving(client, **options) as served:
        yield served
    await client.aclose(close_connection_pool=True)


def test_check_requires_and_claims_nothing_about_a_managed_redis(tmp_path: Path, memory_only: RedisServer) -> None:
    settings = {"HOOKLINE_REDIS_PERSISTENCE": "managed", "HOOKLINE_RECEIVER_DURABILITY": "fsync"}
    code, report = checked(tmp_path, memory_only.url, **settings)
    text = hookline("check", cwd=tmp_path, env=environment(REDIS_URL=memory_only.url, **settings)).stdout

    assert (code, report["problems"]) == (0, [])
    assert "neither checks nor promises that Redis keeps its data on disk" in report["notes"][0]
    assert "waits only for the reply of Redis" in report["notes"][1]
    assert "the platform keeps the data (persistence managed)" in text
    assert "logs to disk" not in text


def test_check_and_status_say_which_risk_is_accepted(tmp_path: Path, memory_only: RedisServer) -> None:
    env = environment(REDIS_URL=memory_only.url, HOOKLINE_REDIS_PERSISTENCE="none")
    code, report = checked(tmp_path, memory_only.url, HOOKLINE_REDIS_PERSISTENCE="none")
    status = hookline("status", cwd=tmp_path, env=env)
    as_json = json.loads(hookline("status", "--json", cwd=tmp_path, env=env).stdout)

    assert (code, report["problems"]) == (0, [])
    assert LOSS in report["notes"][0]
    assert LOSS in " ".join(status.stdout.split())
    assert (as_json["redis_persistence"], as_json["redis_risks"]) == ("none", [])


@pytest.mark.parametrize("part", ["receiver", "worker"])
async def test_an_accepted_risk_is_logged_at_the_start(
    tmp_path: Path, memory_only: RedisServer, part: str
) -> None:
    (tmp_path / "secret").write_text("s" * 32)
    (tmp_path / "hookline.toml").write_text(
        f'[redis]\nurl = "{memory_only.url}"\npersistence = "none"\n[receiver]\nport = 0\n'
        f'[sources.shop]\nkind = "voucherify"\nsecrets = ["file:secret"]\n'
    )
    running = Running("-m", "launcher", part, cwd=tmp_path, env=environment())
    try:
        await running.says("redis_not_persistent")
        await running.says(f"{part}_started")
    finally:
        running.kill()


@pytest.mark.parametrize("persistence", ["managed", "none"])
async def test_the_main_job_runs_without_a_log_where_that_is_configured(
    memory_only: RedisServer, persistence: Any
) -> None:
    status, _ = await run_main_job(
        Settings(url=memory_only.url, persistence=persistence),
        durability="fsync" if persistence == "managed" else "memory",
    )
    assert status.risks == []


async def test_fsync_is_refused_where_redis_keeps_nothing_and_that_is_accepted(memory_only: RedisServer) -> None:
    async with received(memory_only.url, "none", durability="fsync") as served:
        reply = await served.get("/readyz")

    assert reply.status == 503
    assert 'receiver.durability = "memory"' in str(reply.content)


def test_check_says_which_settings_help_if_fsync_cannot_be_confirmed(tmp_path: Path, unconfirmed: str) -> None:
    code, report = checked(tmp_path, unconfirmed, HOOKLINE_RECEIVER_DURABILITY="fsync")
    assert code == 1
    [problem] = report["problems"]
    assert 'Redis refuses WAITAOF, so durability "fsync" cannot be confirmed' in problem
    for value, variable in CHOICE.items():
        assert f'= "{value}"' in problem
        settings = {"HOOKLINE_RECEIVER_DURABILITY": "fsync"} | {variable: value}
        assert checked(tmp_path, unconfirmed, **settings)[0] == 0


def test_check_notes_that_the_queue_cannot_be_measured(tmp_path: Path, redis_server: RedisServer) -> None:
    url = user_url(redis_server, "~*", "+@all", "-memory")
    code, report = checked(tmp_path, url, HOOKLINE_RECEIVER_MAX_QUEUED_BYTES="1000000")

    assert code == 0
    assert "receiver.max_queued_bytes has no effect, because Redis refuses MEMORY USAGE" in report["notes"][0]
