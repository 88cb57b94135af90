"""Measures what partitions cost and gain: CPU time an event, and the time of Redis an event.

One worker process takes in a backlog and notifies over HTTP: with 1 partition, with 16 partitions in one Redis,
and with 16 in a cluster of three primaries. Then more worker processes share 16 partitions in one Redis. The CPU
time of workers and of Redis counts, and that of the sink does not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

import redis
import uvloop
from msgspec import Struct

from benchmarks.harness.backlog import batches, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import cpu_s, running
from benchmarks.harness.redis_server import redis_cpu_s, running_redis
from benchmarks.harness.sink import running_sink
from benchmarks.notify import RULES
from broker.queue import stream
from broker.queue.stream import Confirmation
from broker.redis.connection import Settings as RedisSettings
from broker.redis.keys import Names, prefix_of
from broker.redis.partitions import connect_all
from sources.settings import Settings as SourceSettings
from tests.cluster import clustered
from worker.channels.settings import HttpSettings
from worker.components import setup_of
from worker.main import work
from worker.settings import AlertSettings, Settings

_BODIES = 16_000
_WARM_UP = 6_000
"""Bodies before the measurement, with which each process opens its connections and loads its code and data."""

_MANY = 16
_WORKERS = (4, 16, 32)
_PAIRS = 2
_POLL_S = 0.05
_GIVE_UP_AFTER_S = 180.0


class _Place(Struct, frozen=True):
    """A Redis to measure."""

    settings: RedisSettings
    servers: list[redis.Redis]


class _Spent(Struct, frozen=True):
    """Microseconds for each event."""

    workers_us: float
    redis_us: float
    script_us: float
    """The time that Redis spent in commands by INFO commandstats: it limits what one primary can do."""

    @property
    def total_us(self) -> float:
        return self.workers_us + self.redis_us


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a round takes longer than three minutes."""
    bodies = sample_bodies(_WARM_UP + _BODIES)
    with running_redis() as url, running_sink() as sink, _cluster() as (cluster_url, nodes):
        server = redis.Redis.from_url(url)
        measure = partial(_spent, sink, bodies)
        one = _Place(RedisSettings(url=url), [server])
        many = _Place(RedisSettings(url=url, partitions=_MANY), [server])
        spread = _Place(RedisSettings(url=cluster_url, partitions=_MANY), nodes)
        rounds = [(measure(one), measure(many), measure(spread)) for _ in range(_PAIRS)]
        fleets = {workers: measure(many, workers=workers) for workers in _WORKERS}
    base = [round_[0] for round_ in rounds]
    found = [
        _figure(f"{_MANY} partitions in one Redis against 1 partition", base, [round_[1] for round_ in rounds]),
        _figure(
            f"{_MANY} partitions on three primaries against 1 partition", base, [round_[2] for round_ in rounds]
        ),
    ]
    single = [round_[1] for round_ in rounds]
    return found + [
        _figure(f"{workers} worker processes against 1, {_MANY} partitions", single, [spent], goal=1.25)
        for workers, spent in fleets.items()
    ]


def _figure(what: str, base: Sequence[_Spent], other: Sequence[_Spent], goal: float | None = None) -> Figure:
    def middle(spent: Sequence[_Spent]) -> str:
        workers, in_redis, scripts = (
            median(getattr(one, name) for one in spent) for name in ("workers_us", "redis_us", "script_us")
        )
        return f"{workers:.0f} + {in_redis:.0f} us ({scripts:.0f} us in commands)"

    return Figure(
        what=f"CPU an event (workers + Redis), {what}",
        measured=f"{middle(other)} against {middle(base)}",
        value=median(one.total_us for one in other) / median(one.total_us for one in base),
        goal=goal,
        at_most=True,
    )


@contextlib.contextmanager
def _cluster() -> Iterator[tuple[str, list[redis.Redis]]]:
    with clustered(primaries=3, has_replicas=False) as cluster:
        uvloop.run(cluster.start())
        yield cluster.url, [redis.Redis(unix_socket_path=str(node.socket)) for node in cluster.nodes]


def _spent(sink: str, bodies: list[bytes], place: _Place, *, workers: int = 1) -> _Spent:
    for server in place.servers:
        server.flushall()
    sources = {"voucherify": SourceSettings()}
    channels = {"sink": HttpSettings(url=sink, allow_private=True)}
    setup = setup_of(sources, RULES, channels, AlertSettings())
    with contextlib.ExitStack() as stack:
        pids = [
            stack.enter_context(running(partial(work, Settings(), setup, place.settings))) for _ in range(workers)
        ]
        _fill(place.settings, bodies[:_WARM_UP])
        _wait_until_sent(place, _WARM_UP)
        before = sum(map(cpu_s, pids)), sum(map(redis_cpu_s, place.servers)), _command_us(place)
        _fill(place.settings, bodies[_WARM_UP:])
        _wait_until_sent(place, len(bodies))
        after = sum(map(cpu_s, pids)), sum(map(redis_cpu_s, place.servers)), _command_us(place)
        for pid in pids:  # signal all of them before waiting, because each needs time to end
            os.kill(pid, signal.SIGTERM)
    in_workers_s, in_redis_s, in_commands_us = (end - start for start, end in zip(before, after, strict=True))
    return _Spent(in_workers_s * 1e6 / _BODIES, in_redis_s * 1e6 / _BODIES, in_commands_us / _BODIES)


def _command_us(place: _Place) -> float:
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


def _wait_until_sent(place: _Place, count: int) -> None:
    deadline = time.monotonic() + _GIVE_UP_AFTER_S
    while _sent(place) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {count} notifications were sent within {_GIVE_UP_AFTER_S:g} s")
        time.sleep(_POLL_S)


def _sent(place: _Place) -> int:
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
