"""Tests that processes started by tests end with them, and do not depend on how the tests were started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.launcher.running import environment, is_alive
from tests.subprocesses import running_program
from tests.until import until

STARTS_A_REDIS = """
import sys, time
from pathlib import Path
from tests.redis_server import RedisServer

server = RedisServer(Path(sys.argv[1])).start()
print(server._pid(), flush=True)
time.sleep(600)
"""
STARTS_A_FORK = """
import os, sys, time
from pathlib import Path
from tests.forked import Fork

directory = Path(sys.argv[1])
code = "import time; from pathlib import Path; Path('runs').touch(); time.sleep(600)"
(directory / "sleeping.py").write_text(code)
fork = Fork("sleeping", cwd=directory, env=os.environ)
while not (directory / "runs").exists():
    time.sleep(0.01)
print(fork.pid, flush=True)
sys.stdin.read()
"""
SAYS_HOW_IT_TAKES_SIGNALS = """
import signal
import tests.conftest
import subprocess, sys

print(signal.getsignal(signal.SIGHUP) is signal.SIG_DFL, flush=True)
code = "import signal; print(signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGINT))"
subprocess.run([sys.executable, "-c", code], check=True)
"""


@contextmanager
def started_by_another_process(program: str, directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield (a process that started another one as tests do, the process id of that other one)."""
    command = [sys.executable, "-c", program, str(directory)]
    process = subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    with process.stdin, process.stdout:
        pid = int(process.stdout.readline())
        try:
            yield process, pid
        finally:
            process.kill()
            process.wait()


PROGRAMS = pytest.mark.parametrize("program", [STARTS_A_REDIS, STARTS_A_FORK], ids=["redis", "fork"])


@PROGRAMS
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL], ids=lambda signum: signum.name)
async def test_what_a_test_started_ends_with_the_test_process(
    tmp_path: Path, program: str, ending: signal.Signals
) -> None:
    with started_by_another_process(program, tmp_path) as (process, pid):
        assert is_alive(pid)
        process.send_signal(ending)
        await until(lambda: not is_alive(pid))


@PROGRAMS
async def test_what_is_frozen_ends_with_the_test_process_too(tmp_path: Path, program: str) -> None:
    with started_by_another_process(program, tmp_path) as (process, pid):
        os.kill(pid, signal.SIGSTOP)
        process.kill()
        await until(lambda: not is_alive(pid))


async def test_a_frozen_fork_does_not_delay_the_end_of_the_tests(tmp_path: Path) -> None:
    with started_by_another_process(STARTS_A_FORK, tmp_path) as (process, pid):
        os.kill(pid, signal.SIGSTOP)
        assert process.stdin is not None
        process.stdin.close()
        await until(lambda: process.poll() is not None)
        await until(lambda: not is_alive(pid))


@pytest.mark.parametrize("inherited", [signal.SIG_IGN, signal.SIG_DFL], ids=["ignored", "default"])
def test_programs_that_tests_start_handle_signals_as_usual_even_under_nohup(inherited: signal.Handlers) -> None:
    before = {signum: signal.signal(signum, inherited) for signum in (signal.SIGHUP, signal.SIGINT)}
    try:
        kept = {name: value for name, value in environment().items() if name != "PYTEST_XDIST_WORKER"}
        done = subprocess.run(
            [sys.executable, "-c", SAYS_HOW_IT_TAKES_SIGNALS], env=kept, capture_output=True, text=True, check=True
        )
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    default, started = done.stdout.splitlines()
    assert default == str(inherited == signal.SIG_DFL), (
        "the tests themselves outlive the terminal under nohup alone"
    )
    assert started.startswith("0 <built-in function default_int_handler")


async def test_a_program_that_a_test_started_ends_when_the_test_fails() -> None:
    with pytest.raises(AssertionError):
        async with running_program(sys.executable, "-c", "import time; time.sleep(600)") as process:
            raise AssertionError("the test fails")

    assert process.returncode == -signal.SIGKILL


def test_every_test_has_a_timeout(pytestconfig: pytest.Config) -> None:
    assert float(pytestconfig.getini("timeout")) > 0
