"""Runs parts of Hookline in their own processes, and reads their CPU time."""

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
