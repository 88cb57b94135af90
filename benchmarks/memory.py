"""Measures the memory that Redis takes for a queued event, a waiting notification, an identity or a dead letter.

A figure is the growth of `used_memory` of an empty Redis, divided by the number of items written. So it includes
all overhead of keys and of the allocator. The append-only file is off, because its buffers would be included too.

The variable HOOKLINE_BENCH_IDENTITIES sets the number of identities of one day. It defaults to 3,000,000;
30,000,000 take minutes.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import redis

from benchmarks.harness.backlog import fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.redis_server import KEYS, running_redis
from benchmarks.harness.stopwatch import measure
from benchmarks.intake import prepare_intake
from broker.queue import dedupe

_QUEUED = 32_000
_QUEUED_ALONE = 8_000
_DEAD = 8_000
_IDENTITIES = int(os.environ.get("HOOKLINE_BENCH_IDENTITIES", "3000000"))
_AT_A_TIME = 200_000


def figures() -> list[Figure]:
    """Run the benchmark and return its figures."""
    bodies = sample_bodies(_QUEUED)
    broken = [body[:-1] for body in bodies[:_DEAD]]
    size = f"{sum(map(len, bodies)) / len(bodies):,.0f} bytes each as JSON"
    with _memory() as used:
        together = used(partial(fill, bodies=bodies)) / len(bodies)
    with _memory() as used:
        alone = used(partial(fill, bodies=bodies[:_QUEUED_ALONE], size=1)) / _QUEUED_ALONE
    with _memory() as used:
        waiting = used(partial(_take_in, bodies=bodies)) / len(bodies)
    with _memory() as used:
        dead = used(partial(_take_in, bodies=broken)) / len(broken)
    return [
        _bytes("memory of a queued event, batches of 64", size, together, 150),
        _bytes("memory of a queued event, batches of 1", size, alone, 1400),
        _bytes("memory of a waiting notification, jobs of 64", size, waiting),
        _bytes("memory of a dead letter", size, dead),
        *map(_identities, (200_000, _IDENTITIES)),
    ]


def _identities(a_day: int) -> Figure:
    with _memory() as used:
        each = used(partial(_remember, count=a_day)) / a_day
    return _bytes("memory of a remembered identity", f"a day of {a_day:,}", each, 12)


def _bytes(what: str, measured: str, value: float, goal: float | None = None) -> Figure:
    return Figure(what=what, measured=measured, value=value, goal=goal, unit="B", at_most=True)


@contextlib.contextmanager
def _memory() -> Iterator[Callable[[Callable[[str], None]], float]]:
    """Yield a function that returns by how many bytes an empty Redis grows when another function writes to it."""
    with running_redis(appendonly="no") as url, contextlib.closing(redis.Redis.from_url(url)) as client:

        def used(write: Callable[[str], None]) -> float:
            before = settled_memory(client)
            write(url)
            return settled_memory(client) - before

        yield used


def settled_memory(client: redis.Redis) -> int:
    """Return used_memory without the memory of connections and of Lua, as soon as it no longer changes."""
    last = -1
    while True:
        facts: Any = client.info("memory")
        now = int(facts["used_memory"]) - int(facts["mem_clients_normal"]) - int(facts["used_memory_lua"])
        if now == last:
            return now
        last = now
        time.sleep(0.3)


def _take_in(url: str, bodies: list[bytes]) -> None:
    """Queue the bodies, let intake make jobs or dead letters of them, and delete what else it keeps of events."""
    fill(url, bodies)
    measure(partial(prepare_intake, url))
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        for key in client.scan_iter(KEYS.prefix + "dedupe:*", count=1000):
            client.delete(key)
        client.delete(KEYS.history)


def _remember(url: str, count: int) -> None:
    """Add identities of one day to their sets and set the expiry, as the commit does, but many at a time."""
    now_ms = time.time_ns() // 1_000_000
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        for start in range(0, count, _AT_A_TIME):
            members: dict[str, list[str]] = {}
            for number in range(start, min(count, start + _AT_A_TIME)):
                mark = dedupe.mark(
                    "voucherify",
                    f"distr_Sample7Zq1\x1fev_{number}",
                    occurred_at_ms=now_ms,
                    window_ms=7 * dedupe.DAY_MS,
                )
                members.setdefault(KEYS.prefix + mark.key, []).append(mark.member)
            with client.pipeline(transaction=False) as pipe:
                for key, identities in members.items():
                    pipe.sadd(key, *identities)
                    pipe.pexpireat(key, now_ms + 7 * dedupe.DAY_MS)
                pipe.execute()
