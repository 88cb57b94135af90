"""Compares notifications over HTTP with a bare aiohttp client loop that sends the same POSTs.

Each side has one process, 64 concurrent requests and the same sink. Hookline's worker claims jobs from Redis,
decodes and renders each notification, sends it, logs it (to /dev/null) and records the outcome. The bare loop
sends prepared bodies. The sides take turns. Each pair of rounds gives a ratio, and the median of the ratios
counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

import aiohttp
import msgspec
import redis
from msgspec import Struct

from benchmarks.harness.backlog import EVENT, fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.redis_server import running_redis
from benchmarks.harness.sink import running_sink
from benchmarks.harness.stopwatch import Prepare, Work, measure
from benchmarks.intake import prepare_intake
from broker.history.settings import HistorySettings
from broker.monitoring import stats
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from launcher.composition.logs import set_up_logs
from launcher.config.settings import LogSettings
from runtime.garbage import collect_rarely
from sources import KINDS
from worker.channels.settings import ChannelSettings, HttpSettings
from worker.components import Setup
from worker.main import run_live
from worker.rules.idempotency import idempotency_key
from worker.rules.render import Renderer
from worker.rules.rules import DEFAULT_TEXT, Rule
from worker.settings import Settings
from worker.worker_source import WorkerSource

RULES = (Rule(name="points-added", events=("*.points_added",), channel="sink", text=DEFAULT_TEXT),)

# Many requests, so that the work of a side at its start has little weight.
_POSTS = 12_000

# Many rounds, because other work on the machine and on its host changes single rounds by a tenth.
_PAIRS = 15

_CONCURRENCY = 64
_POLL_S = 0.005
# Reading the counters takes CPU time of the measured process, so they are not read before the work can be done.
_AT_MOST_PER_S = 20_000
"""More notifications a second than a worker can send."""


class _Round(Struct, frozen=True):
    per_second: float
    per_cpu_s: float
    """The number of POSTs for each second of CPU time of the client process."""


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if not all notifications were sent."""
    bodies = sample_bodies(_POSTS)
    posts = list(_rendered(bodies))
    with running_redis() as url, running_sink() as sink, contextlib.closing(redis.Redis.from_url(url)) as client:

        def hookline() -> _Round:
            client.flushall()
            fill(url, bodies)
            measure(partial(prepare_intake, url, RULES))
            return _round(partial(prepare_notify, url, sink))

        def bare() -> _Round:
            return _round(partial(_prepare_bare, sink, posts))

        bare()
        pairs = [(bare(), hookline()) for _ in range(_PAIRS)]
    a, b = (median(pair[side].per_second for pair in pairs) for side in (0, 1))
    by_cpu = median(b.per_cpu_s / a.per_cpu_s for a, b in pairs)
    return [
        Figure(
            what="notify over HTTP against a bare aiohttp client loop",
            measured=f"{b:,.0f}/s against {a:,.0f}/s; by the client's CPU time {by_cpu:.2f} x",
            value=median(b.per_second / a.per_second for a, b in pairs),
            goal=0.7,
        )
    ]


def _round(prepare: Prepare) -> _Round:
    spent = measure(prepare)
    return _Round(per_second=_POSTS / spent.wall_s, per_cpu_s=_POSTS / spent.cpu_s)


def _rendered(bodies: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the idempotency key and the body of each POST, as the http channel builds them."""
    renderer, kind = Renderer(RULES), KINDS["voucherify"]
    for body in bodies:
        event, data = kind.decode(body, ""), kind.view(body)
        key = idempotency_key("voucherify", event.identity, RULES[0].name)
        text = renderer.render(RULES[0].name, data).text
        content = {"key": key, "rule": RULES[0].name, "source": "voucherify", "event": EVENT, "attempt": 1}
        yield key, msgspec.json.encode(content | {"text": text, "data": data})


async def _prepare_bare(sink: str, posts: list[tuple[str, bytes]]) -> tuple[Work, Work]:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONCURRENCY))
    waiting = iter(posts)

    async def post_on() -> None:
        for key, body in waiting:
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
            async with session.post(sink, data=body, headers=headers) as answer:
                await answer.read()
                answer.raise_for_status()

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_CONCURRENCY):
                group.create_task(post_on())

    return work, session.close


async def prepare_notify(
    url: str,
    sink: str,
    history: HistorySettings = HistorySettings(),  # noqa: B008 - frozen
) -> tuple[Work, Work]:
    """Prepare a worker that sends over HTTP, to run until all notifications are sent.

    Returns the work and what ends it.
    """
    return await prepare_worker(
        url, RULES, HttpSettings(url=sink, allow_private=True, concurrency=_CONCURRENCY), history
    )


async def prepare_worker(
    url: str,
    rules: tuple[Rule, ...],
    channel: ChannelSettings,
    history: HistorySettings = HistorySettings(),  # noqa: B008 - frozen
) -> tuple[Work, Work]:
    """Prepare a worker whose rules name the channel "sink". See `prepare_notify`."""
    sys.stderr = Path(os.devnull).open("w")  # noqa: ASYNC230, SIM115 - for the life of this process
    logging.disable(logging.NOTSET)
    set_up_logs(LogSettings(format="json"))
    collect_rarely()
    client, stop = connect(RedisSettings(url=url)), asyncio.Event()
    sources = {"voucherify": WorkerSource(KINDS["voucherify"], dedupe_window_days=7)}
    setup = Setup(sources=sources, rules=rules, channels={"sink": channel}, history=history)
    worker = run_live(Settings(), setup, RedisSettings(url=url), stop=stop)
    running: list[asyncio.Task[None]] = []

    async def work() -> None:
        running.append(asyncio.create_task(worker))
        while waiting := (await stats.read_totals(client)).waiting:  # noqa: ASYNC110 - Redis sets no event
            await asyncio.sleep(max(_POLL_S, waiting / _AT_MOST_PER_S))

    async def close() -> None:
        stop.set()
        await asyncio.wait(running)
        totals = await stats.read_totals(client)
        if totals.sent != totals.created:
            raise RuntimeError(f"not every notification was sent: {totals}")
        await client.aclose()

    return work, close
