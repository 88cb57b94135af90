"""Runs the whole stack for long, and looks for growth: memory of the processes, and keys that are left over.

One receiver and one worker process take in webhooks as fast as they can: the sender waits while 20,000 of them
wait for the worker. A tenth are duplicates. The target answers 503 to the first attempt of every fiftieth event
and 400 to every thousandth, so there are retries and dead letters. A second rule gathers a tenth of the events in
digests. The variable HOOKLINE_BENCH_SOAK sets the number of webhooks, 100,000 by default; 2,000,000 take a quarter
of an hour.

The first quarter fills caches and pools. After it, the memory of a process counts as growth. The worker takes most
of what it needs when it seals the history for the first time, after 20 seconds. So let a quarter last longer, with
at least 400,000 webhooks. The table shows the memory at the start, and after each twentieth of the webhooks.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from collections import Counter
from pathlib import Path

import redis
import uvloop
from msgspec import Struct

from benchmarks.harness import sink
from benchmarks.harness.backlog import EVENT
from benchmarks.harness.figures import Figure
from benchmarks.harness.load import SECRET, put_each, signed_request
from benchmarks.harness.processes import running
from benchmarks.harness.redis_server import running_redis
from broker.monitoring import stats
from broker.monitoring.stats import Totals
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import connect_all
from receiver.server import serve
from receiver.settings import Settings as ReceiverSettings
from runtime.listening_socket import listen
from sources import KINDS
from sources.settings import Settings as SourceSettings
from worker.channels.settings import HttpSettings
from worker.components import setup_of
from worker.main import work
from worker.rules.rules import DEFAULT_TEXT, DigestSettings, Rule
from worker.settings import AlertSettings
from worker.settings import Settings as WorkerSettings

_WEBHOOKS = int(os.environ.get("HOOKLINE_BENCH_SOAK", "100000"))
_PARTS = 20
_AT_A_TIME = min(5_000, _WEBHOOKS // _PARTS)
_CONNECTIONS = 64
_MOST_WAITING = 20_000
_GIVE_UP_AFTER_S = 60.0
"""Seconds without any progress after which the run fails."""

_SOURCES = {"voucherify": SourceSettings(secrets=(SECRET,))}
_RULES = (
    Rule(name="points-added", events=("*.points_added",), channel="sink", text=DEFAULT_TEXT),
    Rule(
        name="summary",
        events=("*.points_added",),
        channel="sink",
        when="transaction.source_id.endswith('7')",
        digest=DigestSettings(key="customer.id", window="5s"),
        text="{{ events | length }} bookings",
    ),
)
_WORK = ("queue", "job:", "in-progress:", "starts:", "notify:done:", "notify:held:", "held:", "digest")
"""The beginnings of the keys that nothing has once all work is done."""

_NUMBER = re.compile(rb"order-(\d+)")
_ID = re.compile(rb"[0-9a-f]{16,}|\d+")


class _Rest(Struct, frozen=True):
    """The stack once nothing waits any more."""

    took_s: float
    totals: Totals
    memory: dict[str, list[int]]
    """The memory of each process in bytes at the start, after each twentieth of the webhooks, and at the end."""

    keys: dict[str, int]
    """The number of keys by their names without ids and numbers."""


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a webhook is refused, or work makes no progress for a minute."""
    notifications, sink_url = sink.listen()
    webhooks = listen("127.0.0.1", 0)
    port = webhooks.getsockname()[1]

    async def receive() -> None:
        partitions = connect_all(RedisSettings(url=url))
        await serve(ReceiverSettings(), _SOURCES, partitions, webhooks)

    async def notify() -> None:
        channels = {"sink": HttpSettings(url=sink_url, allow_private=True)}
        setup = setup_of(_SOURCES, _RULES, channels, AlertSettings())
        await work(WorkerSettings(), setup, RedisSettings(url=url))

    async def answer() -> None:
        await sink.serve(notifications, _status)
        await asyncio.Event().wait()

    with running_redis() as url, running(answer), running(receive) as receiver, running(notify) as worker:
        rest = uvloop.run(_soak(url, port, {"receiver": receiver, "worker": worker}))
    totals = rest.totals
    outcomes = (
        f"{totals.sent:,} sent, {totals.retried:,} retried, {totals.dead:,} dead, {totals.digested:,} digested"
    )
    left = {name: count for name, count in rest.keys.items() if name.partition("}:")[2].startswith(_WORK)}
    return [
        Figure("soak, whole stack on one machine", outcomes, _WEBHOOKS / rest.took_s, None, "/s"),
        Figure("soak, duplicates notified, or events not", "", _wrong(totals), 0, "", at_most=True),
        *(
            Figure(
                f"soak, memory of the {name}, end against first quarter",
                f"MB: {' '.join(f'{used / 1e6:.0f}' for used in memory)}",
                memory[-1] / memory[_PARTS // 4],
                1.1,
                at_most=True,
            )
            for name, memory in rest.memory.items()
        ),
        Figure("soak, keys of work left over", f"{left}", sum(left.values()), 0, "", at_most=True),
    ]


def _wrong(totals: Totals) -> int:
    """The number of events by which the counters differ from what was sent."""
    fresh = _WEBHOOKS - _WEBHOOKS // 10
    return sum(
        [
            abs(totals.processed - fresh),
            abs(totals.duplicate - _WEBHOOKS // 10),
            abs(totals.created - totals.sent - totals.skipped - totals.dead),
        ]
    )


def _status(body: bytes) -> int:
    number = _NUMBER.search(body)
    if number is None or b'"rule":"summary"' in body:
        return 204
    if int(number[1]) % 1000 == 7:
        return 400
    return 503 if int(number[1]) % 50 == 0 and b'"attempt":1,' in body else 204


async def _soak(url: str, port: int, pids: dict[str, int]) -> _Rest:
    client = connect(RedisSettings(url=url))
    memory: dict[str, list[int]] = {name: [] for name in pids}
    started_s = time.perf_counter()
    for first in range(0, _WEBHOOKS, _AT_A_TIME):
        if first * _PARTS >= len(memory["worker"]) * _WEBHOOKS:
            _add_memory(memory, pids)
        # Each tenth webhook is the one before it again.
        numbers = [number - (number % 10 == 9) for number in range(first, first + _AT_A_TIME)]
        requests = [signed_request(KINDS["voucherify"].sample(number, EVENT)) for number in numbers]
        statuses = await put_each(port, requests, connections=_CONNECTIONS)
        if set(statuses) != {202}:
            raise RuntimeError(f"not every webhook was accepted: answers by status {statuses}")
        await _wait_for_work(client, at_most=_MOST_WAITING)
    totals = await _wait_for_work(client, at_most=0)
    took_s = time.perf_counter() - started_s
    await client.aclose()
    _add_memory(memory, pids)
    with redis.Redis.from_url(url) as blocking:
        keys = Counter(_ID.sub(b"#", key).decode() for key in blocking.scan_iter(count=1000))
    return _Rest(took_s, totals, memory, dict(keys))


async def _wait_for_work(client: Client, *, at_most: int) -> Totals:
    """Wait until at most so many webhooks and notifications wait. Returns the counters."""
    least, deadline = math.inf, math.inf
    while (left := (totals := await stats.read_totals(client)).waiting + totals.queued) > at_most:
        if left < least:
            least, deadline = left, time.monotonic() + _GIVE_UP_AFTER_S
        if time.monotonic() > deadline:
            raise RuntimeError(f"work is left: {totals}")
        await asyncio.sleep(0.2)
    return totals


def _add_memory(memory: dict[str, list[int]], pids: dict[str, int]) -> None:
    for name, pid in pids.items():
        memory[name].append(_rss_bytes(pid))


def _rss_bytes(pid: int) -> int:
    """Return the memory of a process that is in RAM (Linux: proc_pid_statm(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
