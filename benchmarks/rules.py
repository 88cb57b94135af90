"""Compares kinds of rules: CPU time an event, windows of digests closed a second, memory of an event that waits.

One worker process takes in a backlog and notifies over HTTP, by one rule of each kind in turn. Each event is of
another customer, which is the worst case: each has a window of its own, and a subject of its own. For closing, the
windows of a digest end all at the same time while the channel is paused, so that sending takes no time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any

import redis
import uvloop

from benchmarks.harness.backlog import fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import running
from benchmarks.harness.redis_server import KEYS, running_redis
from benchmarks.harness.sink import running_sink
from benchmarks.harness.stopwatch import measure
from benchmarks.harness.worker_cost import WARM_UP, Place, Spent, spent
from benchmarks.intake import prepare_intake
from benchmarks.memory import settled_memory
from broker.history.settings import HistorySettings
from broker.queue import channel_state
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from sources.settings import Settings as SourceSettings
from worker.channels.settings import HttpSettings
from worker.components import setup_of
from worker.main import work
from worker.rules.rules import DEFAULT_TEXT, DigestSettings, Rule
from worker.settings import AlertSettings, Settings

_BODIES = 8_000
_ROUNDS = 3
_WINDOWS = 10_000
_WORKERS = (1, 2, 4)
_STARTS_IN_S = 8.0
"""Seconds in which each worker has registered, and has had a heartbeat that reports when the windows end."""

_POLL_S = 0.02
_GIVE_UP_AFTER_S = 120.0


def _rule(**options: Any) -> tuple[Rule, ...]:
    return (Rule(name="points-added", events=("*.points_added",), channel="sink", text=DEFAULT_TEXT, **options),)


def _digest(window: str) -> tuple[Rule, ...]:
    return _rule(digest=DigestSettings(key="data.customer.id", window=window))


_KINDS: Mapping[str, tuple[tuple[Rule, ...], float | None]] = {
    "plain": (_rule(), None),
    "when + key": (_rule(when="data.balance.points > 0", key="{{ data.transaction.id }}"), 1.2),
    "latest_only": (_rule(latest_only="data.customer.id"), 1.5),
    "digest": (_digest("1s"), 2.0),
}
"""By kind: a rule, and the goal of its CPU time against that of a plain rule."""


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a round takes longer than three minutes."""
    return [*_cpu(), *_closing(), _memory()]


def _cpu() -> list[Figure]:
    bodies = sample_bodies(WARM_UP + _BODIES)
    with running_redis() as url, running_sink() as sink, contextlib.closing(redis.Redis.from_url(url)) as server:
        place = Place(RedisSettings(url=url), [server])
        rounds = [
            {kind: spent(sink, bodies, place, rules=rules) for kind, (rules, _) in _KINDS.items()}
            for _ in range(_ROUNDS)
        ]
    return [_against_plain(kind, goal, rounds) for kind, (_, goal) in _KINDS.items()]


def _against_plain(kind: str, goal: float | None, rounds: list[dict[str, Spent]]) -> Figure:
    def middle(name: str) -> float:
        return median(float(getattr(each[kind], name)) for each in rounds)

    return Figure(
        what=f"CPU of a worker an event, rule {kind} against plain",
        measured=f"{middle('workers_us'):.0f} us; Redis {middle('redis_us'):.0f} us, "
        f"of which {middle('script_us'):.0f} us in commands",
        value=median(each[kind].workers_us / each["plain"].workers_us for each in rounds),
        goal=goal,
        at_most=True,
    )


def _closing() -> list[Figure]:
    bodies = sample_bodies(_WINDOWS)
    with running_redis() as url, contextlib.closing(redis.Redis.from_url(url)) as client:
        rates = {}
        for workers in _WORKERS:
            client.flushall()
            fill(url, bodies)
            measure(partial(prepare_intake, url, _digest("1h")))
            rates[workers] = _WINDOWS / _closing_s(url, client, workers)
    return [
        Figure(
            what=f"windows closed a second, worker processes: {workers}",
            measured=f"{_WINDOWS:,} windows of one event",
            value=rate,
            goal=3000 if workers == 1 else None,
            unit="/s",
        )
        for workers, rate in rates.items()
    ]


def _closing_s(url: str, client: redis.Redis, workers: int) -> float:
    """Close all windows, and return how long that took in seconds."""
    channels = {"sink": HttpSettings(url="http://127.0.0.1:9/", allow_private=True)}
    setup = setup_of({"voucherify": SourceSettings()}, _digest("1h"), channels, AlertSettings())
    uvloop.run(_pause(url))
    logging.disable(logging.WARNING)  # each worker warns that the channel is paused
    with contextlib.ExitStack() as stack:
        run = partial(work, Settings(), setup, RedisSettings(url=url))
        pids = [stack.enter_context(running(run)) for _ in range(workers)]
        starts_s = time.time() + _STARTS_IN_S
        ends_ms = int(starts_s * 1000)
        names = client.zrange(KEYS.digests_ends, 0, -1)
        client.zadd(KEYS.digests_ends, dict.fromkeys(names, ends_ms))  # type: ignore[arg-type]
        while client.zcard(KEYS.digests_ends):
            if time.time() > starts_s + _GIVE_UP_AFTER_S:
                raise RuntimeError(f"not all windows were closed within {_GIVE_UP_AFTER_S:g} s")
            time.sleep(_POLL_S)
        took_s = time.time() - starts_s
        for pid in pids:  # signal all of them before waiting, because each needs time to end
            os.kill(pid, signal.SIGTERM)
    logging.disable(logging.INFO)
    return took_s


async def _pause(url: str) -> None:
    client = connect(RedisSettings(url=url))
    await channel_state.pause(client, "sink", by="benchmark")
    await client.aclose()


def _memory() -> Figure:
    bodies = sample_bodies(_WINDOWS)
    with running_redis(appendonly="no") as url, contextlib.closing(redis.Redis.from_url(url)) as client:

        def take_in() -> None:
            fill(url, bodies)
            measure(partial(prepare_intake, url, _digest("1h"), HistorySettings(keep_days=0)))

        take_in()  # the memory that scripts need does not count
        client.flushall()
        before = settled_memory(client)
        take_in()
        for key in client.scan_iter(KEYS.prefix + "dedupe:*", count=1000):
            client.delete(key)
        size = (settled_memory(client) - before) / _WINDOWS
    return Figure(
        what="memory of an event that waits in a digest",
        measured=f"{_WINDOWS:,} windows of one event",
        value=size,
        goal=250,
        unit="B",
        at_most=True,
    )
