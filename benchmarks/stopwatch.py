"""One measured stretch of work in a process of its own."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import uvloop
from msgspec import Struct

Work = Callable[[], Awaitable[None]]
"""What is measured."""

Prepare = Callable[[], Awaitable[tuple[Work, Work]]]
"""Opens what the work needs; returns the work, and what closes it again."""

_processes = multiprocessing.get_context("fork")


class Spent(Struct, frozen=True):
    """What the work took."""

    wall_s: float
    cpu_s: float
    """Of the process that worked, none of its start."""


def measure(prepare: Prepare) -> Spent:
    """Run it once in a fresh process. Raises RuntimeError when that process fails."""
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
    gc.freeze()  # as the worker does; to the favour of whatever it is compared with, too
    gc.set_threshold(10_000)

    async def timed() -> tuple[float, float]:
        work, close = await prepare()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        await work()
        spent = time.perf_counter() - wall_s, time.process_time() - cpu_s
        await close()
        return spent

    results.send(uvloop.run(timed()))
