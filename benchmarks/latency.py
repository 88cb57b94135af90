"""Measures the time from the POST of a webhook to its notification at steady rates, and to its acknowledgement.

The receiver and the worker have one process each. Another process sends the webhooks and receives the
notifications, so that one clock measures both: from the start of the webhook's request to the arrival of the
notification. A rate does not depend on how fast the receiver responds; the table shows the rate that was kept.

The acknowledgements are measured once more while the worker is busy with a backlog of 40,000 webhooks.
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
from benchmarks.harness.backlog import fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.processes import running
from benchmarks.harness.redis_server import running_redis
from benchmarks.harness.sink import running_sink
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

_RATES = {10: 20, 100: 10, 1000: 10, 5000: 5}
"""For each rate of webhooks a second, the seconds for which it is measured."""

_GOALS_MS = {(1000, "p50"): 10, (1000, "p99"): 50}
_SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_WARM_UP = 2000
"""The number of webhooks before the measurement."""

_BUSY_RATE = 1000
_BACKLOG = 40_000

_GIVE_UP_AFTER_S = 60.0
_SECRET = Secret("benchmark-secret")
_SOURCES = {"voucherify": SourceSettings(secrets=(_SECRET,))}


class _Transaction(Struct):
    source_id: str


class _Data(Struct):
    transaction: _Transaction


class _Arrived(Struct):
    data: _Data


_decode = msgspec.json.Decoder(_Arrived).decode


class _Sent(Struct, frozen=True):
    """The webhooks that were sent at one rate."""

    took_s: float
    acknowledged_s: list[float]
    """Seconds from the start of a request to its answer, for each webhook."""

    notified_s: list[float]
    """Seconds from the start of a request to the notification, for each webhook."""


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a webhook is refused or a notification does not arrive."""
    notifications, sink_url = sink.listen()
    webhooks = listen("127.0.0.1", 0)
    receiver_url = f"http://127.0.0.1:{webhooks.getsockname()[1]}/webhooks/voucherify"
    with running_redis() as url, running(lambda: _receive(webhooks, url)):
        with running(lambda: _work(sink_url, url)):
            sent = uvloop.run(_at_all_rates(receiver_url, notifications))
        fill(url, sample_bodies(_BACKLOG, first=10_000_000))
        # The sink answers in a process of its own now, so that it does not slow down what measures.
        with running_sink() as busy_sink, running(lambda: _work(busy_sink, url)):
            busy = uvloop.run(_while_busy(receiver_url))
    return [
        *(figure for rate, times in sent.items() for figure in _figures(rate, times)),
        *_percentiles(f"acknowledgement, {_BUSY_RATE:,}/s, the worker busy", busy, busy.acknowledged_s, {}),
    ]


def _figures(rate: int, sent: _Sent) -> list[Figure]:
    goals = {name: goal for (of_rate, name), goal in _GOALS_MS.items() if of_rate == rate}
    return _percentiles(f"POST to notification, {rate:,}/s", sent, sent.notified_s, goals)


def _percentiles(what: str, sent: _Sent, times_s: list[float], goals_ms: Mapping[str, int]) -> list[Figure]:
    ordered = sorted(times_s)
    measured = f"{len(ordered):,} events, {len(ordered) / sent.took_s:,.0f}/s, memory durability"
    return [
        Figure(
            what=f"{what}, {name}",
            measured=measured,
            value=ordered[int(share * len(ordered))] * 1000,
            goal=goals_ms.get(name),
            unit="ms",
            at_most=True,
        )
        for name, share in _SHARES.items()
    ]


async def _at_all_rates(url: str, notifications: socket.socket) -> dict[int, _Sent]:
    arrived: dict[int, float] = {}

    def take(body: bytes) -> None:
        number = int(_decode(body).data.transaction.source_id.removeprefix("order-"))
        arrived[number] = time.perf_counter()

    close = await sink.serve(notifications, take)
    await _send(url, sample_bodies(_WARM_UP), _WARM_UP)
    await _wait_for(arrived, _WARM_UP)
    first, sent = _WARM_UP, {}
    for rate, seconds in _RATES.items():
        count = rate * seconds
        started, acknowledged_s = await _send(url, sample_bodies(count, first=first), rate)
        await _wait_for(arrived, first + count)
        notified_s = [arrived[first + number] - start for number, start in enumerate(started)]
        sent[rate] = _Sent(started[-1] - started[0], acknowledged_s, notified_s)
        first += count
    await close()
    return sent


async def _while_busy(url: str) -> _Sent:
    started, acknowledged_s = await _send(url, sample_bodies(5 * _BUSY_RATE, first=20_000_000), _BUSY_RATE)
    return _Sent(started[-1] - started[0], acknowledged_s, [])


async def _wait_for(arrived: Mapping[int, float], count: int) -> None:
    deadline = time.monotonic() + _GIVE_UP_AFTER_S
    while len(arrived) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{count - len(arrived)} of {count} notifications did not arrive")
        await asyncio.sleep(0.05)


async def _send(url: str, bodies: list[bytes], rate: int) -> tuple[list[float], list[float]]:
    """POST the bodies at the rate.

    Returns the start time of each request, by the performance counter, and the seconds until its acknowledgement.
    """
    kind = KINDS["voucherify"]
    started: list[float] = []
    acknowledged_s: list[float] = []
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as group,
    ):

        async def post(body: bytes, signature: Mapping[str, str]) -> None:
            start = time.perf_counter()
            async with session.post(url, data=body, headers=signature) as answer:
                if answer.status != 202:
                    raise RuntimeError(f"a webhook was answered with status {answer.status}")
            acknowledged_s.append(time.perf_counter() - start)

        signed = [(body, kind.sign(SignedRequest(body, {}), _SECRET)) for body in bodies]
        begin = time.perf_counter()
        for number, (body, signature) in enumerate(signed):
            while (early := begin + number / rate - time.perf_counter()) > 0:  # noqa: ASYNC110 - the clock sets none
                await asyncio.sleep(early)
            started.append(time.perf_counter())
            group.create_task(post(body, signature))
            await asyncio.sleep(0)
    return started, acknowledged_s


async def _receive(listener: socket.socket, redis_url: str) -> None:
    partitions = connect_all(RedisSettings(url=redis_url))
    await serve(ReceiverSettings(), _SOURCES, partitions, listener)
    await partitions.aclose()


async def _work(sink_url: str, redis_url: str) -> None:
    channels = {"sink": HttpSettings(url=sink_url, allow_private=True)}
    setup = setup_of(_SOURCES, RULES, channels, AlertSettings())
    await work(WorkerSettings(), setup, RedisSettings(url=redis_url))
