"""The list of live workers in the control partition, and the readers of any partition.

With several partitions each worker process registers every few seconds, and learns which others live. From that
it computes which partitions it reads: see worker/partitions/shares.py. With one partition there is no list.
"""

from __future__ import annotations

from broker.redis.client import Client
from broker.redis.clock import time_reply_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, Script

LONGEST_MS = 300_000
"""The longest time in ms that a registration may last."""

_REGISTER = Script("queue/workers/register", parts=(FULL,), keys=("workers",), args=("worker", "lasts_ms: number"))


async def register(control: Client, worker: str, *, lasts_ms: int) -> list[str]:
    """Register a live worker for `lasts_ms`, at most LONGEST_MS. Returns the names of all live workers, sorted.

    Raises BrokerError.
    """
    with translated():
        names: list[bytes] = await _REGISTER(control, worker=worker, lasts_ms=lasts_ms)
    return sorted(name.decode("utf-8", "backslashreplace") for name in names)


async def sign_off(control: Client, worker: str) -> None:
    """Remove a worker that stops from the list, so that others read its partitions soon. Raises BrokerError."""
    with translated():
        await _REGISTER(control, worker=worker, lasts_ms=0)


async def has_reader(redis: Client, *, within_ms: int) -> bool:
    """Return whether a worker has sent a heartbeat or claimed jobs in this partition in the last `within_ms`.

    Raises BrokerError.
    """
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.hget(redis.names.claims, "last_ms")
            pipe.time()
            last_ms, now = await pipe.execute()
    return time_reply_ms(now) - parse_int(last_ms) < within_ms
