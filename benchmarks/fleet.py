"""Compares the CPU time an event of 32 worker processes with that of 1, with 1 partition and with 16.

The workers process a backlog and send notifications over HTTP. The CPU time of all workers and of Redis counts,
and that of the sink does not.
"""

from __future__ import annotations

import contextlib
from statistics import median

import redis

from benchmarks.harness.backlog import sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.redis_server import running_redis
from benchmarks.harness.sink import running_sink
from benchmarks.harness.worker_cost import WARM_UP, Place, spent
from broker.redis.connection import Settings as RedisSettings

_BODIES = 16_000
_PARTITIONS = (1, 16)
_WORKERS = (1, 32)
_ROUNDS = 2


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a round takes longer than three minutes."""
    bodies = sample_bodies(WARM_UP + _BODIES)
    with running_redis() as url, running_sink() as sink, contextlib.closing(redis.Redis.from_url(url)) as server:
        rounds = {
            partitions: [
                [
                    spent(
                        sink,
                        bodies,
                        Place(RedisSettings(url=url, partitions=partitions), [server]),
                        workers=workers,
                    ).total_us
                    for workers in _WORKERS
                ]
                for _ in range(_ROUNDS)
            ]
            for partitions in _PARTITIONS
        }
    return [
        _figure(partitions, workers, [(each[0], each[place]) for each in measured])
        for partitions, measured in rounds.items()
        for place, workers in enumerate(_WORKERS)
        if place
    ]


def _figure(partitions: int, workers: int, pairs: list[tuple[float, float]]) -> Figure:
    one, many = (median(pair[side] for pair in pairs) for side in (0, 1))
    name = "1 partition" if partitions == 1 else f"{partitions} partitions"
    return Figure(
        what=f"CPU an event, {workers} worker processes against 1, {name}",
        measured=f"{many:,.0f} us against {one:,.0f} us",
        value=median(many / one for one, many in pairs),
        goal=1.25,
        at_most=True,
    )
