"""Compares the CPU time an event of 32 worker processes with that of 1 worker process.

The workers process a backlog and send notifications over HTTP. The CPU time of all workers and of Redis counts,
and that of the sink does not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from functools import partial
from statistics import median

import redis

from benchmarks.harness.backlog import fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import cpu_s, running
from benchmarks.harness.redis_server import KEYS, redis_cpu_s, running_redis
from benchmarks.harness.sink import running_sink
from benchmarks.notify import RULES
from broker.redis.connection import Settings as RedisSettings
from sources.settings import Settings as SourceSettings
from worker.channels.settings import HttpSettings
from worker.components import setup_of
from worker.main import work
from worker.settings import AlertSettings, Settings

_BODIES = 24_000
_WARM_UP = 8_000
"""Bodies before the measurement, with which each process opens its connections and loads its code and data."""

_MANY = 32
_PAIRS = 2
_POLL_S = 0.05
_GIVE_UP_AFTER_S = 120.0


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a round takes longer than 120 s."""
    bodies = sample_bodies(_WARM_UP + _BODIES)
    with running_redis() as url, running_sink() as sink, contextlib.closing(redis.Redis.from_url(url)) as client:
        measure = partial(_cpu_a_body, url, sink, client, bodies)
        pairs = [(measure(1), measure(_MANY)) for _ in range(_PAIRS)]
    one, many = (median(pair[side] for pair in pairs) for side in (0, 1))
    return [
        Figure(
            what=f"CPU an event, {_MANY} worker processes against 1, notified over HTTP",
            measured=f"{many * 1e6:,.0f} us against {one * 1e6:,.0f} us",
            value=median(many / one for one, many in pairs),
            goal=1.15,
            at_most=True,
        )
    ]


def _cpu_a_body(url: str, sink: str, client: redis.Redis, bodies: list[bytes], workers: int) -> float:
    """Return the CPU seconds that one body takes with `workers` worker processes."""
    client.flushall()
    sources = {"voucherify": SourceSettings()}
    channels, settings = {"sink": HttpSettings(url=sink, allow_private=True)}, RedisSettings(url=url)
    part = partial(work, Settings(), setup_of(sources, RULES, channels, AlertSettings()), settings)
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(running(part)) for _ in range(workers)]
        fill(url, bodies[:_WARM_UP])
        _wait_until_sent(client, _WARM_UP)
        before_s = redis_cpu_s(client) + sum(map(cpu_s, pids))
        fill(url, bodies[_WARM_UP:])
        _wait_until_sent(client, len(bodies))
        spent_s = redis_cpu_s(client) + sum(map(cpu_s, pids)) - before_s
        for pid in pids:  # signal all of them before waiting, because each needs time to end
            os.kill(pid, signal.SIGTERM)
    return spent_s / _BODIES


def _wait_until_sent(client: redis.Redis, count: int) -> None:
    deadline = time.monotonic() + _GIVE_UP_AFTER_S
    while int(client.hget(KEYS.stats_total, "sent") or 0) < count:  # type: ignore[arg-type]
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {count} notifications were sent within {_GIVE_UP_AFTER_S:g} s")
        time.sleep(_POLL_S)
