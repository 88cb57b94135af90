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

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from statistics import median
from typing import Any, Literal

from aiohttp import web
from msgspec import Struct

from benchmarks.harness.figures import Figure
from benchmarks.harness.load import SECRET, run_load, sample_requests
from benchmarks.harness.processes import cpu_s, running
from benchmarks.harness.redis_server import running_redis
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import connect_all
from receiver.server import serve
from receiver.settings import Settings
from runtime.listening_socket import listen
from sources.settings import Settings as SourceSettings

Durability = Literal["memory", "fsync"]

_GOALS: dict[Durability, tuple[str, float]] = {"memory": ("everysec", 0.85), "fsync": ("always", 0.75)}
"""The value of appendfsync and the goal, for each durability."""

_CONNECTIONS = 64
_ROUNDS = 9
_SECONDS = 2.0
_BODIES = 1000


class Server(Struct, frozen=True):
    """A server process that is measured."""

    pid: int
    port: int


class Round(Struct, frozen=True):
    """The result of one measurement of a server."""

    per_second: float
    per_cpu_s: float
    p50_ms: float
    p99_ms: float


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a webhook was not accepted."""
    requests = sample_requests(_BODIES)
    pairs: dict[Durability, list[tuple[Round, Round]]] = {durability: [] for durability in _GOALS}
    with contextlib.ExitStack() as stack:
        core = stack.enter_context(_first_core_left_free())
        bare = stack.enter_context(_serving(_serve_bare, core))
        servers = {}
        for durability, (appendfsync, _) in _GOALS.items():
            url = stack.enter_context(running_redis(appendfsync=appendfsync))
            servers[durability] = stack.enter_context(_serving(partial(_serve_receiver, durability, url), core))
        for number in range(-1, _ROUNDS):
            for durability, server in servers.items():
                pair = _measure(bare, requests), _measure(server, requests)
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


def _measure(server: Server, requests: list[bytes]) -> Round:
    before_s = cpu_s(server.pid)
    load = run_load(server.port, requests, connections=_CONNECTIONS, seconds=_SECONDS)
    spent_s = cpu_s(server.pid) - before_s
    if set(load.statuses) != {202}:
        raise RuntimeError(f"not every webhook was accepted: answers by status {load.statuses}")
    return Round(
        per_second=load.per_second,
        per_cpu_s=load.statuses[202] / spent_s,
        p50_ms=load.percentile_s(0.5) * 1000,
        p99_ms=load.percentile_s(0.99) * 1000,
    )


@contextlib.contextmanager
def _serving(serve_on: Callable[[socket.socket], Coroutine[Any, Any, None]], core: int) -> Iterator[Server]:
    """Start a server process on one core. Yields the server."""
    listener = listen("127.0.0.1", 0)

    async def run() -> None:
        os.sched_setaffinity(0, {core})
        await serve_on(listener)

    with running(run) as pid:
        port = int(listener.getsockname()[1])
        listener.close()
        yield Server(pid=pid, port=port)


@contextlib.contextmanager
def _first_core_left_free() -> Iterator[int]:
    """Move this process and its later children to all cores but the first. Yields the number of the first core."""
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others or {first})
    try:
        yield first
    finally:
        os.sched_setaffinity(0, {first, *others})


async def _serve_bare(listener: socket.socket) -> None:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"status": "accepted"}, status=202)

    app = web.Application()
    app.router.add_post("/webhooks/voucherify", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()


async def _serve_receiver(durability: Durability, url: str, listener: socket.socket) -> None:
    partitions = connect_all(RedisSettings(url=url))
    await serve(
        Settings(durability=durability), {"voucherify": SourceSettings(secrets=(SECRET,))}, partitions, listener
    )
    await partitions.aclose()
