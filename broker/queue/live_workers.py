"""The lists of live and of active workers in the control partition, and the readers of any partition.

Each worker process registers every few seconds. Only active workers read partitions: as many as the load needs,
and at least two. Each of them computes from the list of active workers which partitions it reads: see
worker/partitions/shares.py. The other workers stand by, and become active if they find that readers are behind.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from broker.queue.heartbeat import ALIVE_MS
from broker.redis.client import Client
from broker.redis.clock import time_reply_ms
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, LEASE, Script

LONGEST_MS = 300_000
"""The longest time in ms that a registration may last."""

# One is enough for the work of a quiet time. With two, nothing waits while one of them ends or is frozen.
_LEAST_ACTIVE = 2
"""The number of workers that are active even if there is no work."""

# A helper needs a moment until its effect is seen.
_PAUSE_MS = 1000
"""Time in ms from one wish that is granted to the next."""

_REGISTER = Script(
    "queue/workers/register",
    parts=(FULL, LEASE),
    keys=("workers", "active_workers", "workers_changed", "health:worker"),
    args=(
        "worker",
        "config",
        "group",
        "alive_ms: number",
        "lasts_ms: number",
        "wish",
        "least: number",
        "pause_ms: number",
    ),
)
_SIGN_OFF = Script(
    "queue/workers/sign_off", parts=(FULL,), keys=("workers", "active_workers"), args=("worker", "group")
)
_LOOK = Script("queue/workers/look", keys=("stream", "queue", "channels", "claims"))

Wish = Literal["keep", "help", "rest"]
"""The wish of a worker: `help` is to be active because readers are behind, `rest` to be active no longer."""


class Worker(NamedTuple):
    """A worker process that registers."""

    name: str
    config: str
    """The fingerprint of its config."""

    version: str
    """The version of Hookline that it runs."""

    @property
    def group(self) -> str:
        """The name of the workers with the same version and config."""
        return f"{self.version}/{self.config}"


class Fleet(NamedTuple):
    """The workers of an installation, as one of them sees them when it registers."""

    granted: bool
    """True if the wish of the worker is granted."""

    active: list[str]
    """The names of the active workers of its group, sorted."""

    size: int
    """The number of all live workers."""


class Look(NamedTuple):
    """The state of a partition, as a worker sees it that does not read it."""

    waits_s: float
    """Seconds for which the oldest batch or job has been waiting for a worker; 0 if none waits."""

    silent_s: float
    """Seconds since a worker last claimed jobs or sent a heartbeat there."""


async def register(control: Client, worker: Worker, *, lasts_ms: int, wish: Wish = "keep") -> Fleet:
    """Register a live worker for `lasts_ms`, at most LONGEST_MS. Returns the workers that there are now.

    Raises BrokerError.
    """
    with translated():
        granted, names, size = await _REGISTER(
            control,
            worker=worker.name,
            config=worker.config,
            group=worker.group,
            alive_ms=ALIVE_MS,
            lasts_ms=lasts_ms,
            wish=wish,
            least=_LEAST_ACTIVE,
            pause_ms=_PAUSE_MS,
        )
    return Fleet(bool(granted), sorted(name.decode("utf-8", "backslashreplace") for name in names), size)


async def sign_off(control: Client, worker: Worker) -> None:
    """Remove a worker that stops from the lists, so that others read its partitions soon. Raises BrokerError."""
    with translated():
        await _SIGN_OFF(control, worker=worker.name, group=worker.group)


async def look(redis: Client) -> Look:
    """Return whether the readers of a partition are behind. Raises BrokerError."""
    with translated():
        waits_ms, silent_ms = await _LOOK(redis)
    return Look(waits_ms / 1000, silent_ms / 1000)


async def has_reader(redis: Client, *, within_ms: int) -> bool:
    """Return whether a worker has sent a heartbeat or claimed jobs in this partition in the last `within_ms`.

    Raises BrokerError.
    """
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.hget(redis.names.claims, "last_ms")
            pipe.time()
            last_ms, now = await pipe.execute()
    return 0 <= time_reply_ms(now) - parse_int(last_ms) < within_ms  # no worker writes a later time
