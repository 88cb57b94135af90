from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launcher.running import Running, environment, hookline
from tests.redis_server import RedisServer
from tests.until import until

SECRET = {"HOOKLINE_SOURCES_VOUCHERIFY_SECRETS": "given-secret"}

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def run(*arguments: str, **variables: str) -> Running:
        running = Running("-m", "launcher", *arguments, cwd=tmp_path, env=environment(**variables))
        started.append(running)
        return running

    yield run
    for running in started:
        running.kill()


def one_line(ran: subprocess.CompletedProcess[str], code: int) -> str:
    """Return the only line on stderr of a command that exited with this code and printed nothing else."""
    assert (ran.returncode, ran.stdout) == (code, ""), ran
    (line,) = ran.stderr.splitlines()
    assert line.startswith("hookline: ")
    return line


@pytest.mark.parametrize("command", ["up", "receiver", "worker", "inspector"])
def test_a_file_that_is_not_toml_prints_one_line_and_exits_with_2(tmp_path: Path, command: str) -> None:
    (tmp_path / "hookline.toml").write_text("[receiver\n")

    line = one_line(hookline(command, cwd=tmp_path), 2)

    assert "hookline.toml: not TOML: " in line
    assert "line 1" in line


def test_an_unknown_section_prints_one_line_and_exits_with_2(tmp_path: Path) -> None:
    (tmp_path / "hookline.toml").write_text("[reciever]\n")

    line = one_line(hookline("receiver", cwd=tmp_path), 2)

    assert line == "hookline: reciever (line 1): unknown section, did you mean receiver?"


def test_each_fault_has_its_own_line(tmp_path: Path) -> None:
    ran = hookline("up", cwd=tmp_path, env=environment(HOOKLINE_RECEIVER_PORT="x", HOOKLINE_WORKER_PROCESSES="0"))

    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [
        "hookline: HOOKLINE_RECEIVER_PORT: expected `int`",
        "hookline: HOOKLINE_WORKER_PROCESSES: expected `int` >= 1",
    ]


def test_a_missing_config_prints_one_line_and_exits_with_2(tmp_path: Path) -> None:
    line = one_line(hookline("--config", "gone.toml", "worker", cwd=tmp_path), 2)

    assert line == "hookline: gone.toml: cannot read it: No such file or directory"


@pytest.mark.parametrize("command", ["up", "receiver"])
def test_a_port_in_use_prints_one_line_and_exits_with_1(
    tmp_path: Path, redis_server: RedisServer, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        env = environment(REDIS_URL=redis_server.url, HOOKLINE_RECEIVER_PORT=port, **SECRET)
        line = one_line(hookline(command, cwd=tmp_path, env=env), 1)

    assert line.startswith(f"hookline: cannot listen on 127.0.0.1 port {port}: address already in use")
    assert "HOOKLINE_RECEIVER_PORT" in line


def test_an_invalid_host_prints_one_line_and_exits_with_1(tmp_path: Path, redis_server: RedisServer) -> None:
    env = environment(REDIS_URL=redis_server.url, HOOKLINE_RECEIVER_HOST="no.such.host.invalid", **SECRET)

    assert "cannot listen on no.such.host.invalid" in one_line(hookline("receiver", cwd=tmp_path, env=env), 1)


@pytest.mark.parametrize("command", ["receiver", "worker"])
def test_a_part_without_a_redis_prints_one_line_and_exits_with_1(tmp_path: Path, command: str) -> None:
    line = one_line(hookline(command, cwd=tmp_path), 1)

    for way in ("REDIS_URL", "redis.url", "hookline up"):
        assert way in line


def test_up_without_a_redis_binary_prints_one_line_and_exits_with_1(tmp_path: Path) -> None:
    code = (
        "from launcher.embedded import server_binary; server_binary._BUNDLED = ('no-such-package', '')\n"
        "from launcher.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "up"],
        cwd=tmp_path,
        env=environment(PATH=str(tmp_path), HOOKLINE_RECEIVER_PORT="0"),
        capture_output=True,
        text=True,
        check=False,
    )

    line = one_line(ran, 1)
    for way in ("REDIS_URL", "hookline[embedded]", "PATH"):
        assert way in line


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_receiver_without_a_secret_prints_one_line_and_exits_with_2(
    tmp_path: Path, redis_server: RedisServer, processes: str
) -> None:
    env = environment(REDIS_URL=redis_server.url, HOOKLINE_RECEIVER_PORT="0")

    line = one_line(hookline("receiver", "--processes", processes, cwd=tmp_path, env=env), 2)

    assert 'source "voucherify" has no signing secret: set HOOKLINE_SOURCES_VOUCHERIFY_SECRETS' in line


def test_a_wrong_option_exits_with_2(tmp_path: Path) -> None:
    assert hookline("receiver", "--processes", "0", cwd=tmp_path).returncode == 2
    assert hookline("recieve", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("command", "started", "stopped"),
    [("receiver", "receiver_started", "receiver_stopped"), ("worker", "worker_started", "worker_stopped")],
)
@pytest.mark.parametrize("processes", [1, 2])
async def test_a_part_runs_until_it_is_stopped(
    start: Start, redis_server: RedisServer, command: str, started: str, stopped: str, processes: int
) -> None:
    port = {"HOOKLINE_RECEIVER_PORT": "0"}
    running = start(command, "--processes", str(processes), REDIS_URL=redis_server.url, **port, **SECRET)
    await until(lambda: running.output.count(started) == processes)

    running.signal(signal.SIGTERM)

    assert await running.ends() == 0
    assert running.output.count(stopped) == processes


def test_the_version_is_printed(tmp_path: Path) -> None:
    ran = hookline("--version", cwd=tmp_path)

    assert ran.returncode == 0
    assert ran.stdout.startswith("hookline 0.")


def test_help_lists_every_command_without_reading_a_config(tmp_path: Path) -> None:
    (tmp_path / "hookline.toml").write_text("[receiver\n")

    ran = hookline("--help", cwd=tmp_path)

    assert ran.returncode == 0
    for command in ("up", "receiver", "worker", "inspector", "check", "send", "explain", "demo", "status", "dead"):
        assert f" {command} " in ran.stdout
    assert "--count" in hookline("send", "--help", cwd=tmp_path).stdout


def test_help_imports_no_heavy_part(tmp_path: Path) -> None:
    code = (
        "import sys, launcher.cli\nsys.argv = ['hookline', '--help']\n"
        "try: launcher.cli.main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('aiohttp', 'arq', 'redis', 'jinja2', 'uvloop') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )

    assert ran.stdout.splitlines()[-1] == "[]"
