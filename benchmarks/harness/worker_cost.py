"""Measures the CPU time of worker processes and of Redis for each event, from the stream to the notification."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from functools import partial

import redis
import uvloop
from msgspec import Struct

from benchmarks.harness.backlog import batches
from benchmarks.harness.processes import cpu_s, running
from benchmarks.harness.redis_server import redis_cpu_s
from benchmarks.notify import RULES
from broker.queue import stream
from broker.queue.stream import Confirmation
from broker.redis.connection import Settings as RedisSettings
from broker.redis.keys import Names, prefix_of
from broker.redis.partitions import connect_all
from sources.settings import Settings as SourceSettings
from worker.channels.settings import HttpSettings
from worker.components import setup_of
from worker.main import work
from worker.rules.rules import Rule
from worker.settings import AlertSettings, Settings

WARM_UP = 6_000
"""Bodies before the measurement, with which each process opens its connections and loads its code and data."""

_POLL_S = 0.05
_GIVE_UP_AFTER_S = 180.0


class Place(Struct, frozen=True):
    """A Redis to measure."""

    settings: RedisSettings
    servers: list[redis.Redis]


class Spent(Struct, frozen=True):
    """Microseconds for each event."""

    workers_us: float
    redis_us: float
    script_us: float
    """The time that Redis spent in commands by INFO commandstats: it limits what one primary can do."""

    @property
    def total_us(self) -> float:
        """The time of workers and of Redis."""
        return self.workers_us + self.redis_us


def spent(
    sink: str, bodies: list[bytes], place: Place, *, workers: int = 1, rules: tuple[Rule, ...] = RULES
) -> Spent:
    """Let worker processes take in these bodies and notify, and return the CPU time of each event.

    rules: they must make one notification of each body; by default a plain rule. The first WARM_UP bodies do not
    count. Raises RuntimeError if that takes longer than three minutes.
    """
    for server in place.servers:
        server.flushall()
    sources = {"voucherify": SourceSettings()}
    channels = {"sink": HttpSettings(url=sink, allow_private=True)}
    setup = setup_of(sources, rules, channels, AlertSettings())
    with contextlib.ExitStack() as stack:
        pids = [
            stack.enter_context(running(partial(work, Settings(), setup, place.settings))) for _ in range(workers)
        ]
        _fill(place.settings, bodies[:WARM_UP])
        _wait_until_sent(place, WARM_UP)
        before = sum(map(cpu_s, pids)), sum(map(redis_cpu_s, place.servers)), _command_us(place)
        _fill(place.settings, bodies[WARM_UP:])
        _wait_until_sent(place, len(bodies))
        after = sum(map(cpu_s, pids)), sum(map(redis_cpu_s, place.servers)), _command_us(place)
        for pid in pids:  # signal all of them before waiting, because each needs time to end
            os.kill(pid, signal.SIGTERM)
    in_workers_s, in_redis_s, in_commands_us = (end - start for start, end in zip(before, after, strict=True))
    count = len(bodies) - WARM_UP
    return Spent(in_workers_s * 1e6 / count, in_redis_s * 1e6 / count, in_commands_us / count)


def _command_us(place: Place) -> float:
    """Return the microseconds that the servers have spent in all commands."""
    return float(
        sum(
            row["usec"]
            for server in place.servers
            for name, row in server.info("commandstats").items()  # type: ignore[union-attr]
            # Commands inside a script are counted again, so only the scripts and what comes from outside count.
            if name in ("cmdstat_evalsha", "cmdstat_eval", "cmdstat_xreadgroup")
        )
    )


def _fill(settings: RedisSettings, bodies: Sequence[bytes]) -> None:
    """Append the bodies in batches, to one partition after another."""

    async def append() -> None:
        partitions = connect_all(settings)
        for number, batch in enumerate(batches(bodies)):
            await stream.append(partitions[number % len(partitions)], batch, Confirmation())
        await partitions.aclose()

    uvloop.run(append())


def _wait_until_sent(place: Place, count: int) -> None:
    deadline = time.monotonic() + _GIVE_UP_AFTER_S
    while _sent(place) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {count} notifications were sent within {_GIVE_UP_AFTER_S:g} s")
        time.sleep(_POLL_S)


def _sent(place: Place) -> int:
    names = [
        Names(prefix_of(place.settings.namespace, number)).stats_total
        for number in range(place.settings.partitions)
    ]
    return sum(_counter(server, name) for server in place.servers for name in names)


def _counter(server: redis.Redis, name: str) -> int:
    try:
        return int(server.hget(name, "sent") or 0)  # type: ignore[arg-type]
    except redis.ResponseError:  # another node of the cluster has the key
        return 0
