"""A process that spills or drains, and kills itself at a named step. Run as `... DIRECTORY REDIS_URL STEP`.

It prints the name of each webhook once that is stored, where a receiver would answer 202.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.redis.confirmation import Confirmation
from broker.redis.connection import Settings, connect
from receiver.storage.spill.spill import Spill

_KEPT = 3


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _Disk:
    """A disk that syncs until the webhook at which the process has to die."""

    def __init__(self, step: str) -> None:
        self._step = step
        self.is_last = False

    def sync(self, descriptor: int) -> None:
        if self.is_last and self._step == "within the write":
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - 4)
            _die()
        if self.is_last and self._step == "before the sync":
            _die()
        os.fsync(descriptor)
        if self.is_last and self._step == "before the answer":
            _die()


async def spill_and_drain(directory: Path, url: str, step: str) -> None:
    disk = _Disk(step)
    spill = Spill(directory, max_bytes=1_000_000, sync=disk.sync)
    for number in range(_KEPT):
        await spill.append([_raw(f"kept-{number}")] * 100)
        sys.stdout.write(f"kept-{number}\n")
        sys.stdout.flush()
    disk.is_last = True
    if not step.startswith("drain"):
        await spill.append([_raw("last")])
    redis = connect(Settings(url=url))
    while (group := await spill.next_group()) is not None:
        await stream.append(redis, group.bodies, Confirmation())
        if step == "drain: before it is noted":
            _die()
        await spill.drained(group)
        if step == "drain: before it is deleted" and group.bodies[0].body == f"kept-{_KEPT - 1}".encode():
            _die()
    _die()


def _raw(name: str) -> RawBody:
    return RawBody(0, "voucherify", "", name.encode())


if __name__ == "__main__":
    asyncio.run(spill_and_drain(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
