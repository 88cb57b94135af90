"""HTTP servers in processes of their own: Hookline's receiver, and a bare aiohttp handler to compare it with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Literal

from aiohttp import web
from msgspec import Struct, structs

from benchmarks.harness.load import SECRET, run_load
from benchmarks.harness.processes import cpu_s, running
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import connect_all
from receiver.server import serve
from receiver.settings import Settings
from runtime.listening_socket import listen
from sources.settings import Settings as SourceSettings

Durability = Literal["memory", "fsync"]
ServeOn = Callable[[socket.socket], Coroutine[Any, Any, None]]


class Server(Struct, frozen=True):
    """A server that is measured."""

    pids: tuple[int, ...]
    """The ids of its processes, which share the port."""

    port: int
    tls: ssl.SSLContext | None = None
    """How to speak to the port; None without TLS."""

    def behind(self, port: int, tls: ssl.SSLContext) -> Server:
        """Return the same server behind a proxy, whose own CPU time does not count."""
        return structs.replace(self, port=port, tls=tls)


class Round(Struct, frozen=True):
    """The result of one measurement of a server."""

    per_second: float
    per_cpu_s: float
    p50_ms: float
    p99_ms: float


def measure(server: Server, requests: Sequence[bytes], *, connections: int, seconds: float) -> Round:
    """Put load on a server. Raises RuntimeError if a webhook was not accepted."""
    before_s = sum(map(cpu_s, server.pids))
    load = run_load(server.port, requests, connections=connections, seconds=seconds, tls=server.tls)
    spent_s = sum(map(cpu_s, server.pids)) - before_s
    if set(load.statuses) != {202}:
        raise RuntimeError(f"not every webhook was accepted: answers by status {load.statuses}")
    return Round(
        per_second=load.per_second,
        per_cpu_s=load.statuses[202] / spent_s,
        p50_ms=load.percentile_s(0.5) * 1000,
        p99_ms=load.percentile_s(0.99) * 1000,
    )


@contextlib.contextmanager
def serving(serve_on: ServeOn, cores: set[int], *, processes: int = 1) -> Iterator[Server]:
    """Start the processes of a server on these cores. Yields the server."""
    listener = listen("127.0.0.1", 0)

    async def run() -> None:
        os.sched_setaffinity(0, cores)
        await serve_on(listener)

    with contextlib.ExitStack() as stack:
        pids = tuple(stack.enter_context(running(run)) for _ in range(processes))
        port = int(listener.getsockname()[1])
        listener.close()
        yield Server(pids, port)


@contextlib.contextmanager
def first_core_left_free() -> Iterator[int]:
    """Move this process and its later children to all cores but the first. Yields the number of the first core."""
    first, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, others or {first})
    try:
        yield first
    finally:
        os.sched_setaffinity(0, {first, *others})


async def serve_bare(listener: socket.socket) -> None:
    """Read the body and respond with 202."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"status": "accepted"}, status=202)

    app = web.Application()
    app.router.add_post("/webhooks/voucherify", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()


async def serve_receiver(durability: Durability, url: str, listener: socket.socket) -> None:
    """Run the receiver, without a limit on what is queued. url: the address of Redis."""
    partitions = connect_all(RedisSettings(url=url))
    await serve(
        Settings(durability=durability), {"voucherify": SourceSettings(secrets=(SECRET,))}, partitions, listener
    )
    await partitions.aclose()
