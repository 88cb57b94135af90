"""Compares the receiver with a bare aiohttp handler that reads the body and responds with 202.

The bare server, the receivers, Redis and the load generator are separate processes. If the machine has two cores,
the servers run on the first core and everything else on the others. The servers are measured in turn (bare,
memory, bare, fsync, ...). Each round is compared with the bare round before it, and the median of these ratios
counts.

The ratio of requests a second, as the client sees them, becomes smaller if the load generator, Redis and the
server share too few cores. "By CPU" means the requests for each CPU second of the server's own process. It does
not include other work on the machine or the time to wait for a disk.
"""

from __future__ import annotations

import contextlib
from functools import partial
from statistics import median

from benchmarks.harness.figures import Figure
from benchmarks.harness.http_servers import (
    Durability,
    Round,
    first_core_left_free,
    measure,
    serve_bare,
    serve_receiver,
    serving,
)
from benchmarks.harness.load import sample_requests
from benchmarks.harness.redis_server import running_redis

_GOALS: dict[Durability, tuple[str, float]] = {"memory": ("everysec", 0.85), "fsync": ("always", 0.75)}
"""The value of appendfsync and the goal, for each durability."""

_CONNECTIONS = 64
_ROUNDS = 9
_SECONDS = 2.0
_BODIES = 1000


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a webhook was not accepted."""
    measured = partial(measure, requests=sample_requests(_BODIES), connections=_CONNECTIONS, seconds=_SECONDS)
    pairs: dict[Durability, list[tuple[Round, Round]]] = {durability: [] for durability in _GOALS}
    with contextlib.ExitStack() as stack:
        core = stack.enter_context(first_core_left_free())
        bare = stack.enter_context(serving(serve_bare, {core}))
        servers = {}
        for durability, (appendfsync, _) in _GOALS.items():
            url = stack.enter_context(running_redis(appendfsync=appendfsync))
            servers[durability] = stack.enter_context(serving(partial(serve_receiver, durability, url), {core}))
        for number in range(-1, _ROUNDS):
            for durability, server in servers.items():
                pair = measured(bare), measured(server)
                if number >= 0:  # the first round only warms up
                    pairs[durability].append(pair)
    return [_figure(durability, measured) for durability, measured in pairs.items()]


def _figure(durability: Durability, pairs: list[tuple[Round, Round]]) -> Figure:
    bare, ours = (median(pair[side].per_second for pair in pairs) for side in (0, 1))
    p50, p99 = median(ours.p50_ms for _, ours in pairs), median(ours.p99_ms for _, ours in pairs)
    by_cpu = median(ours.per_cpu_s / bare.per_cpu_s for bare, ours in pairs)
    return Figure(
        what=f"receiver ({durability}) against a bare aiohttp handler, {_CONNECTIONS} connections",
        measured=f"{ours:,.0f}/s (p50 {p50:.1f}, p99 {p99:.1f} ms) against {bare:,.0f}/s; by CPU {by_cpu:.2f} x",
        value=median(ours.per_second / bare.per_second for bare, ours in pairs),
        goal=_GOALS[durability][1],
    )
