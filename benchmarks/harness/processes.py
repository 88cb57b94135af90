"""Runs parts of Hookline in their own processes, and reads the CPU time of processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import uvloop

_processes = multiprocessing.get_context("fork")


@contextlib.contextmanager
def running(part: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[int]:
    """Run a coroutine in a new process, and end the process with SIGTERM at the end. Yields the process id."""
    process = _processes.Process(target=lambda: uvloop.run(part()), daemon=True)
    process.start()
    assert process.pid is not None
    try:
        yield process.pid
    finally:
        process.terminate()
        process.join()


def cpu_s(pid: int) -> float:
    """Return the user and system time of a process in seconds (Linux: proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_cpu_s(root: int) -> float:
    """Return the user and system time of a process and of all that it started, in seconds."""
    total, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # a process may end at any time
            fields = path.read_text("ascii", "replace").rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid] = int(fields[1])
            # The last two are the time of children that have ended.
            total[pid] = sum(map(int, fields[11:15]))
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(total.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")
