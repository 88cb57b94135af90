"""Measures the time from the POST of a webhook to its notification, at a steady rate.

The receiver and the worker have one process each. Another process sends the webhooks and receives the
notifications, so that one clock measures both: from the start of the webhook's request to the arrival of the
notification. The rate does not depend on how fast the receiver responds.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping

import aiohttp
import msgspec
import uvloop
from msgspec import Struct

from benchmarks.harness import sink
from benchmarks.harness.backlog import sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import running
from benchmarks.harness.redis_server import running_redis
from benchmarks.notify import RULES
from broker.redis.connection import Settings as RedisSettings
from broker.redis.partitions import connect_all
from receiver.server import serve
from receiver.settings import Settings as ReceiverSettings
from runtime.listening_socket import listen
from sources import KINDS
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from sources.signed_request import SignedRequest
from worker.channels.settings import HttpSettings
from worker.components import setup_of
from worker.main import work
from worker.settings import AlertSettings
from worker.settings import Settings as WorkerSettings

_RATE = 1000
_SECONDS = 10
_WARM_UP = 2 * _RATE
"""The number of webhooks before the measurement."""

_GIVE_UP_AFTER_S = 20.0
_SECRET = Secret("benchmark-secret")
_SOURCES = {"voucherify": SourceSettings(secrets=(_SECRET,))}


class _Transaction(Struct):
    source_id: str


class _Data(Struct):
    transaction: _Transaction


class _Arrived(Struct):
    data: _Data


_decode = msgspec.json.Decoder(_Arrived).decode


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a webhook is refused or a notification does not arrive."""
    bodies = sample_bodies(_WARM_UP + _RATE * _SECONDS)
    notifications, sink_url = sink.listen()
    webhooks = listen("127.0.0.1", 0)
    receiver_url = f"http://127.0.0.1:{webhooks.getsockname()[1]}/webhooks/voucherify"
    with running_redis() as url, running(lambda: _receive(webhooks, url)), running(lambda: _work(sink_url, url)):
        latencies_s = uvloop.run(_measure(receiver_url, notifications, bodies))
    return [
        Figure(
            what=f"POST to notification sent, {_RATE:,} events/s, {name}",
            measured=f"{len(latencies_s):,} events, memory durability",
            value=latencies_s[int(share * len(latencies_s))] * 1000,
            goal=goal,
            unit="ms",
            at_most=True,
        )
        for name, share, goal in (("p50", 0.5, 30), ("p99", 0.99, 150))
    ]


async def _measure(url: str, notifications: socket.socket, bodies: list[bytes]) -> list[float]:
    """Return the sorted latencies of the measured webhooks, in seconds."""
    arrived: dict[int, float] = {}

    def take(body: bytes) -> None:
        number = int(_decode(body).data.transaction.source_id.removeprefix("order-"))
        arrived[number] = time.perf_counter()

    close = await sink.serve(notifications, take)
    started = await _send(url, bodies)
    deadline = time.monotonic() + _GIVE_UP_AFTER_S
    while len(arrived) < len(bodies):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(bodies) - len(arrived)} of {len(bodies)} notifications did not arrive")
        await asyncio.sleep(0.05)
    await close()
    return sorted(arrived[number] - started[number] for number in range(_WARM_UP, len(bodies)))


async def _send(url: str, bodies: list[bytes]) -> list[float]:
    """POST the bodies at the rate. Returns the start time of each request, by the performance counter."""
    kind = KINDS["voucherify"]
    started: list[float] = []
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as group,
    ):

        async def post(body: bytes, signature: Mapping[str, str]) -> None:
            async with session.post(url, data=body, headers=signature) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"a webhook was answered with status {answer.status}")

        signed = [(body, kind.sign(SignedRequest(body, {}), _SECRET)) for body in bodies]
        begin = time.perf_counter()
        for number, (body, signature) in enumerate(signed):
            while (early := begin + number / _RATE - time.perf_counter()) > 0:  # noqa: ASYNC110 - the clock sets none
                await asyncio.sleep(early)
            started.append(time.perf_counter())
            group.create_task(post(body, signature))
            await asyncio.sleep(0)
    return started


async def _receive(listener: socket.socket, redis_url: str) -> None:
    partitions = connect_all(RedisSettings(url=redis_url))
    await serve(ReceiverSettings(), _SOURCES, partitions, listener)
    await partitions.aclose()


async def _work(sink_url: str, redis_url: str) -> None:
    channels = {"sink": HttpSettings(url=sink_url, allow_private=True)}
    setup = setup_of(_SOURCES, RULES, channels, AlertSettings())
    await work(WorkerSettings(), setup, RedisSettings(url=redis_url))
