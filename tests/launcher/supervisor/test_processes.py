from __future__ import annotations

import json
import os
import pty
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.launcher.running import ROOT, Running, is_alive
from tests.until import until

Start = Callable[[str], Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Running] = []

    def run(scenario: str) -> Running:
        running = Running("-m", "tests.launcher.supervised", str(tmp_path / "notes"), scenario, cwd=tmp_path)
        started.append(running)
        return running

    yield run
    for running in started:
        running.kill()


def notes(directory: Path, what: str) -> list[tuple[str, int]]:
    """Return (group, process id) of every line about this event, in order."""
    path = directory / "notes"
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(line[0], int(line[2])) for line in lines if line[3] == what]


async def test_groups_stop_one_after_another_in_the_order_given(start: Start, tmp_path: Path) -> None:
    running = start("ordered")
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    running.signal(signal.SIGTERM)

    assert await running.ends() == 0
    assert [group for group, _ in notes(tmp_path, "stopped")] == ["receiver", "receiver", "worker", "worker"]


async def test_ctrl_c_stops_it_cleanly_too(start: Start, tmp_path: Path) -> None:
    running = start("ordered")
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    running.signal(signal.SIGINT)

    assert await running.ends() == 0
    assert len(notes(tmp_path, "stopped")) == 4


async def test_a_closed_terminal_stops_it_cleanly_too(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        arguments = [sys.executable, "-m", "tests.launcher.supervised", str(tmp_path / "notes"), "ordered"]
        os.execv(sys.executable, arguments)
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    os.close(terminal)

    await until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)
    assert len(notes(tmp_path, "stopped")) == 4
    assert notes(tmp_path, "sighup") == notes(tmp_path, "reloaded") == []


async def test_sighup_is_forwarded_and_stops_nothing(start: Start, tmp_path: Path) -> None:
    running = start("ordered")
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    running.signal(signal.SIGHUP)

    await until(lambda: len(notes(tmp_path, "sighup")) == 4)
    assert notes(tmp_path, "reloaded") == [("receiver", running.pid)]
    lines = (tmp_path / "notes").read_text().splitlines()
    assert "reloaded" in lines[4]  # so that a child that starts meanwhile also reloads
    assert {pid for _, pid in notes(tmp_path, "started") if is_alive(pid)} == set(running.children())
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0
    assert len(notes(tmp_path, "stopped")) == 4


async def test_sighup_does_not_end_a_child_that_does_not_handle_it(start: Start, tmp_path: Path) -> None:
    running = start("bounded")
    await until(lambda: notes(tmp_path, "started"))
    (child,) = running.children()

    running.signal(signal.SIGHUP)
    await until(lambda: notes(tmp_path, "reloaded"))
    running.signal(signal.SIGTERM)

    await until(lambda: notes(tmp_path, "ignored"))  # it received SIGHUP before
    assert await running.ends() == 1
    assert notes(tmp_path, "started") == [("stubborn", child)]


async def test_sigint_stops_it_even_where_a_shell_started_it_in_the_background(
    start: Start, tmp_path: Path
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what `&` in a script does; the child inherits it
    try:
        running = start("ordered")
    finally:
        signal.signal(signal.SIGINT, before)
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    running.signal(signal.SIGINT)

    assert await running.ends() == 0


async def test_nohup_keeps_it_running_after_its_terminal_is_closed(start: Start, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = start("ordered")
    finally:
        signal.signal(signal.SIGHUP, before)
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    running.signal(signal.SIGHUP)
    os.kill(notes(tmp_path, "started")[0][1], signal.SIGKILL)

    await until(lambda: len(notes(tmp_path, "started")) == 5)
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0


async def test_each_child_has_its_own_process_group(start: Start, tmp_path: Path) -> None:
    running = start("ordered")
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    for pid in running.children():
        assert os.getpgid(pid) == pid


async def test_a_killed_child_is_restarted(start: Start, tmp_path: Path) -> None:
    running = start("ordered")
    await until(lambda: len(notes(tmp_path, "started")) == 4)
    group, victim = notes(tmp_path, "started")[0]

    os.kill(victim, signal.SIGKILL)

    await until(lambda: len(notes(tmp_path, "started")) == 5)
    again, successor = notes(tmp_path, "started")[-1]
    assert (again, successor != victim) == (group, True)
    line = next(json.loads(line) for line in running.output.splitlines() if "process_ended" in line)
    assert "SIGKILL" in line["message"]
    running.signal(signal.SIGTERM)
    assert await running.ends() == 0


async def test_a_child_that_fails_repeatedly_is_restarted_with_a_growing_delay(start: Start) -> None:
    running = start("raising")

    await until(lambda: running.output.count("process_ended") >= 3)

    ends = [json.loads(line) for line in running.output.splitlines() if "process_ended" in line]
    assert [line["message"].rpartition(" in ")[2] for line in ends[:3]] == ["0.2 s", "0.4 s", "0.8 s"]
    assert "on purpose" in running.output


async def test_a_config_fault_of_one_child_stops_all_with_exit_code_2(start: Start, tmp_path: Path) -> None:
    running = start("faulty")

    assert await running.ends() == 2
    assert len(notes(tmp_path, "started")) <= 2
    assert not [pid for _, pid in notes(tmp_path, "started") if is_alive(pid)]


async def test_a_second_signal_is_forwarded_and_soon_after_the_children_are_killed(
    start: Start, tmp_path: Path
) -> None:
    running = start("stubborn")
    await until(lambda: notes(tmp_path, "started"))

    running.signal(signal.SIGINT)
    await until(lambda: len(notes(tmp_path, "ignored")) == 1)
    running.signal(signal.SIGINT)
    await until(lambda: len(notes(tmp_path, "ignored")) == 2)

    assert await running.ends() == 1
    assert not is_alive(notes(tmp_path, "started")[0][1])


async def test_a_child_that_does_not_stop_in_time_is_killed(start: Start, tmp_path: Path) -> None:
    running = start("bounded")
    await until(lambda: notes(tmp_path, "started"))

    running.signal(signal.SIGTERM)

    assert await running.ends() == 1
    assert not is_alive(notes(tmp_path, "started")[0][1])


async def test_children_end_when_their_parent_is_killed(start: Start, tmp_path: Path) -> None:
    running = start("ordered")
    await until(lambda: len(notes(tmp_path, "started")) == 4)

    running.signal(signal.SIGKILL)

    await until(lambda: not [pid for _, pid in notes(tmp_path, "started") if is_alive(pid)])
    assert len(notes(tmp_path, "stopped")) == 4
