"""Measures a piece of work in its own process."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import uvloop
from msgspec import Struct

Work = Callable[[], Awaitable[None]]
"""The function that is measured."""

Prepare = Callable[[], Awaitable[tuple[Work, Work]]]
"""A function that opens connections, and returns the work and a function that closes them."""

_processes = multiprocessing.get_context("fork")


class Spent(Struct, frozen=True):
    """The time that the work took."""

    wall_s: float
    cpu_s: float
    """The CPU time of the process during the work. The start of the process is not included."""


def measure(prepare: Prepare) -> Spent:
    """Prepare and run the work once in a new process. Raises RuntimeError if that process fails."""
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=_run, args=(prepare, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        wall_s, cpu_s = ours.recv()
    except EOFError:
        raise RuntimeError("the measured process failed: see its traceback above") from None
    finally:
        process.join()
    return Spent(wall_s=wall_s, cpu_s=cpu_s)


def _run(prepare: Prepare, results: Connection) -> None:
    gc.freeze()  # as the worker does; the other side of a comparison gets the same advantage
    gc.set_threshold(10_000)

    async def timed() -> tuple[float, float]:
        work, close = await prepare()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        await work()
        spent = time.perf_counter() - wall_s, time.process_time() - cpu_s
        await close()
        return spent

    results.send(uvloop.run(timed()))
