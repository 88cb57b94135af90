"""Measures what partitions cost and gain: CPU time an event, and the time of Redis an event.

One worker process takes in a backlog and notifies over HTTP: with 1 partition, with 16 partitions in one Redis,
and with 16 in a cluster of three primaries. The CPU time of workers and of Redis counts, and that of the sink does
not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

import redis
import uvloop

from benchmarks.harness.backlog import sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.redis_server import running_redis
from benchmarks.harness.sink import running_sink
from benchmarks.harness.worker_cost import WARM_UP, Place, Spent, spent
from broker.redis.connection import Settings as RedisSettings
from tests.cluster import clustered

_BODIES = 16_000
_MANY = 16
_PAIRS = 2


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a round takes longer than three minutes."""
    bodies = sample_bodies(WARM_UP + _BODIES)
    with running_redis() as url, running_sink() as sink, _cluster() as (cluster_url, nodes):
        server = redis.Redis.from_url(url)
        measure = partial(spent, sink, bodies)
        one = Place(RedisSettings(url=url), [server])
        many = Place(RedisSettings(url=url, partitions=_MANY), [server])
        spread = Place(RedisSettings(url=cluster_url, partitions=_MANY), nodes)
        rounds = [(measure(one), measure(many), measure(spread)) for _ in range(_PAIRS)]
    base = [round_[0] for round_ in rounds]
    return [
        _figure(f"{_MANY} partitions in one Redis against 1 partition", base, [round_[1] for round_ in rounds]),
        _figure(
            f"{_MANY} partitions on three primaries against 1 partition", base, [round_[2] for round_ in rounds]
        ),
    ]


def _figure(what: str, base: Sequence[Spent], other: Sequence[Spent]) -> Figure:
    def middle(spent: Sequence[Spent]) -> str:
        workers, in_redis, scripts = (
            median(getattr(one, name) for one in spent) for name in ("workers_us", "redis_us", "script_us")
        )
        return f"{workers:.0f} + {in_redis:.0f} us ({scripts:.0f} us in commands)"

    return Figure(
        what=f"CPU an event (workers + Redis), {what}",
        measured=f"{middle(other)} against {middle(base)}",
        value=median(one.total_us for one in other) / median(one.total_us for one in base),
        goal=None,
        at_most=True,
    )


@contextlib.contextmanager
def _cluster() -> Iterator[tuple[str, list[redis.Redis]]]:
    with clustered(primaries=3, has_replicas=False) as cluster:
        uvloop.run(cluster.start())
        yield cluster.url, [redis.Redis(unix_socket_path=str(node.socket)) for node in cluster.nodes]
