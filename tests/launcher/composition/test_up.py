from __future__ import annotations

import os
import re
import signal
import stat
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from launcher.config.secrets import stored_secret
from sources import KINDS
from sources.signed_request import SignedRequest
from tests.inspector.stack import sample
from tests.launcher.running import Running, environment, hookline, is_alive
from tests.redis_server import RedisServer
from tests.until import until

PORT_0 = {"HOOKLINE_RECEIVER_PORT": "0", "HOOKLINE_WORKER_PROCESSES": "2"}
LAST_LINE = "try it"

Up = Callable[..., Running]


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hookline-") as name:
        yield Path(name)


@pytest.fixture
def up(directory: Path) -> Iterator[Up]:
    started: list[Running] = []

    def run(**variables: str) -> Running:
        started.append(Running("-m", "launcher", "up", cwd=directory, env=environment(**PORT_0, **variables)))
        return started[-1]

    yield run
    for running in started:
        running.kill()


def address(running: Running) -> str:
    match = re.search(r"(http://\S+)/webhooks/voucherify", running.output)
    assert match, running.output
    return match[1]


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=60) as response:
        return int(response.status)


def pages(running: Running) -> str:
    match = re.search(r"pages +(http://\S+)", running.output)
    assert match, running.output
    return match[1]


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as response:
        return str(response.read().decode())


def post(running: Running, number: int, directory: Path) -> int:
    kind = KINDS["voucherify"]
    secret = stored_secret(directory / ".hookline", "voucherify")
    assert secret is not None
    body = sample(number)
    request = urllib.request.Request(
        f"{address(running)}/webhooks/voucherify",
        data=body,
        headers={**kind.sign(SignedRequest(body, {}), secret), "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return int(response.status)


async def test_it_shows_all_addresses_and_ctrl_c_leaves_nothing_behind(up: Up, directory: Path) -> None:
    running = up()
    await running.says(LAST_LINE)
    await until(lambda: "receiver_started" in running.output and running.output.count("worker_started") == 2)
    await running.says("inspector_started")
    children = running.children()
    base = address(running)
    assert get(f"{base}/healthz") == 200
    assert "Overview" in page(pages(running))
    secret = stored_secret(directory / ".hookline", "voucherify")
    assert secret is not None
    assert len(children) == 5

    running.signal(signal.SIGINT)

    assert await running.ends() == 0
    assert not [pid for pid in children if is_alive(pid)]
    for line in (
        "/webhooks/voucherify",
        f"{base}/healthz",
        f"{base}/metrics",
        "embedded Valkey",
        str(directory / ".hookline"),
    ):
        assert line in running.output
    assert secret.reveal().decode() not in running.output
    assert running.output.index("receiver_stopped") < running.output.index("worker_stopping")
    assert running.output.index("worker_stopped") < running.output.index("inspector_stopped")
    assert "Traceback" not in running.output


async def test_a_webhook_is_notified_and_a_restart_loses_nothing(up: Up, directory: Path) -> None:
    running = up()
    await running.says(LAST_LINE)
    first_secret = stored_secret(directory / ".hookline", "voucherify")
    assert post(running, 1, directory) == 202
    await running.says('"sent":1')
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0

    again = up()
    await again.says(LAST_LINE)
    assert stored_secret(directory / ".hookline", "voucherify") == first_secret
    assert post(again, 1, directory) == 202
    await again.says('"duplicate":1')
    again.signal(signal.SIGTERM)
    assert await again.ends() == 0


async def test_a_killed_part_and_a_killed_redis_are_restarted(up: Up, directory: Path) -> None:
    running = up()
    await running.says(LAST_LINE)
    await running.says("receiver_started")
    socket = directory / ".hookline" / "redis.sock"
    victim = max(running.children())  # before Redis, which is a child too, is started again
    with redis.Redis(unix_socket_path=str(socket)) as client:
        os.kill(int(client.info("server")["process_id"]), signal.SIGKILL)
    os.kill(victim, signal.SIGKILL)

    def notified() -> bool:
        try:
            post(running, 7, directory)
        except OSError:
            return False
        return '"sent":1' in running.output

    await until(notified)
    assert "redis_restarted" in running.output
    assert "SIGKILL" in running.output
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0


async def test_two_in_one_directory_do_not_mix(up: Up, directory: Path) -> None:
    running = up()
    await running.says(LAST_LINE)

    second = hookline("up", cwd=directory, env=environment(**PORT_0))

    assert second.returncode == 1
    assert second.stderr.startswith(f"hookline: another hookline (process {running.pid}) uses ")
    assert second.stderr.count("\n") == 1
    assert second.stdout == ""


async def test_other_commands_find_the_redis_of_a_running_up(up: Up, directory: Path) -> None:
    running = up()
    await running.says(LAST_LINE)

    ran = hookline("check", "--json", cwd=directory)

    report = msgspec.json.decode(ran.stdout)
    assert (ran.returncode, report["problems"]) == (0, [])
    assert report["redis"]["url"].endswith("/.hookline/redis.sock")
    assert report["redis"]["aof"] is True


async def test_with_a_configured_redis_it_starts_none(up: Up, directory: Path, redis_server: RedisServer) -> None:
    running = up(REDIS_URL=redis_server.url, HOOKLINE_SOURCES_VOUCHERIFY_SECRETS="given-secret")
    await running.says(LAST_LINE)
    await until(lambda: "receiver_started" in running.output and running.output.count("worker_started") == 2)
    await running.says("inspector_started")

    assert len(running.children()) == 4
    assert not (directory / ".hookline").exists()
    running.signal(signal.SIGINT)
    assert await running.ends() == 0


async def test_children_and_redis_end_when_up_is_killed(up: Up) -> None:
    running = up()
    await running.says("receiver_started")
    await until(lambda: running.output.count("worker_started") == 2)
    children = running.children()

    running.signal(signal.SIGKILL)

    await until(lambda: not [pid for pid in children if is_alive(pid)])


async def test_a_shared_directory_is_refused_in_one_line_and_left_unchanged(directory: Path) -> None:
    shared = directory / "shared"
    shared.mkdir()
    shared.chmod(0o1777)

    ran = hookline("up", cwd=directory, env=environment(**PORT_0, HOOKLINE_UP_DATA_DIR=str(shared)))

    assert ran.returncode == 1
    assert ran.stderr.startswith(f"hookline: cannot use {shared} as data directory: other users may enter it")
    assert ran.stderr.count("\n") == 1
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
    assert list(shared.iterdir()) == []


async def test_on_the_embedded_redis_the_sources_may_change_freely(up: Up, directory: Path) -> None:
    for name in ("shop", "pos"):
        (directory / "hookline.toml").write_text(f'[sources.{name}]\nkind = "voucherify"\n')
        running = up()
        await running.says(f"/webhooks/{name}")
        await running.says("worker_started")
        running.signal(signal.SIGINT)
        assert await running.ends() == 0
