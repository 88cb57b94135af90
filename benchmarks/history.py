"""Measures what the history costs: CPU of the worker, memory of Redis, and the time of a page among many events.

The worker takes in events and notifies of them over HTTP, with and without a history. The sides take turns, and
the median of the ratios counts. Sealing is measured after it, and is part of the side with a history. For pages,
segments are made directly from rows as intake and delivery write them. HOOKLINE_BENCH_HISTORY sets their number,
1,000,000 by default. Ten million need 0.5 GB of Redis and some minutes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median

import redis
import uvloop

from benchmarks.harness.backlog import EVENT, fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.redis_server import KEYS, running_redis
from benchmarks.harness.sink import running_sink
from benchmarks.harness.stopwatch import Work, measure
from benchmarks.intake import prepare_intake
from benchmarks.memory import settled_memory
from benchmarks.notify import RULES, prepare_notify
from broker.history.columns import events_of, outcomes_of
from broker.history.records import EventRow, OutcomeRow
from broker.history.sealing import seal, write
from broker.history.segment_builder import SegmentBuilder
from broker.history.segments import MAX_ROWS
from broker.history.settings import HistorySettings
from broker.history.tail_blocks import Block
from broker.history.token_index import create_tokens
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import Partitions
from inspector.operations.history.events import EventFilter, find_events

_EVENTS = 8_000
_PAIRS = 7
_STORED = int(os.environ.get("HOOKLINE_BENCH_HISTORY", "1000000"))
_PAGES = 10
_OFF = HistorySettings(keep_days=0)
_ON = HistorySettings(max_mb=100_000)


def figures() -> list[Figure]:
    """Run the benchmark and return its figures."""
    return [_cpu(), *_pages()]


def _cpu() -> Figure:
    bodies = sample_bodies(_EVENTS)
    with running_redis() as url, running_sink() as sink, contextlib.closing(redis.Redis.from_url(url)) as client:

        def cpu_us(history: HistorySettings) -> list[float]:
            client.flushall()
            fill(url, bodies)
            steps = [
                partial(prepare_intake, url, RULES, history),
                partial(prepare_notify, url, sink, history),
                partial(_prepare_seal, url),
            ]
            return [measure(step).cpu_s / _EVENTS * 1e6 for step in steps]

        cpu_us(_ON)
        pairs = [(cpu_us(_OFF), cpu_us(_ON)) for _ in range(_PAIRS)]
    parts = [[median(pair[side][part] for pair in pairs) for part in range(3)] for side in (0, 1)]
    off, on = parts
    return Figure(
        what="CPU of a worker with a history against without",
        measured=f"intake {on[0]:.1f} against {off[0]:.1f} us an event, notify {on[1]:.0f} against {off[1]:.0f}, "
        f"sealing {on[2] - off[2]:.1f}",
        value=median(sum(on) / sum(off) for off, on in pairs),
        goal=1.05,
        at_most=True,
    )


async def _prepare_seal(url: str) -> tuple[Work, Work]:
    client = connect(RedisSettings(url=url))

    async def work() -> None:
        while await seal(client, _ON, age_ms=-60_000):
            pass

    return work, client.aclose


def _pages() -> list[Figure]:
    with running_redis(appendonly="no") as url, contextlib.closing(redis.Redis.from_url(url)) as client:
        before = settled_memory(client)
        uvloop.run(_fill(url))
        size = (settled_memory(client) - before) / _STORED
        times = uvloop.run(_read(url))
    shown = ", ".join(f"{name} {ms:.0f}" for name, ms in times.items())
    return [
        Figure(
            what="memory of an event with one notification in the history",
            measured=f"{_STORED:,} of them",
            value=size,
            goal=60,
            unit="B",
            at_most=True,
        ),
        Figure(
            what=f"a page of the history among {_STORED:,} events",
            measured=f"slowest of {_PAGES} each, in ms: {shown}",
            value=max(times.values()),
            goal=200,
            unit="ms",
            at_most=True,
        ),
    ]


async def _fill(url: str) -> None:
    client = connect(RedisSettings(url=url))
    now_ms, tokens = time.time_ns() // 1_000_000, await create_tokens(client)
    for first in range(0, _STORED, MAX_ROWS):
        numbers = range(first, min(first + MAX_ROWS, _STORED))
        start_ms = now_ms - (_STORED - first) // 16
        builder = SegmentBuilder(tokens, 0)
        for place in range(0, len(numbers), 64):
            rows = [sample_rows(number, start_ms + place // 16) for number in numbers[place : place + 64]]
            builder.add(
                f"{start_ms + place // 16}-{place}",
                Block(events_of([row for row, _ in rows]), outcomes=outcomes_of([o for _, o in rows])),
            )
        *_, segment = builder.steps()
        assert segment is not None
        await client.xadd(KEYS.history, {"e": b""}, id=segment.info.id)
        await write(client, _ON, segment, builder.last_id)
    await client.aclose()


def sample_rows(number: int, at_ms: int) -> tuple[EventRow, OutcomeRow]:
    """The rows of an event as Voucherify's have them, and of its notification. A customer has 50 events."""
    seed, person = (hashlib.blake2b(f"{n}".encode(), digest_size=24).hexdigest() for n in (number, -number // 50))
    key, event_id = seed[16:], f"ev_{seed[:18]}"
    terms = [
        event_id,
        f"cust_{person[:24]}",
        f"crm-{number // 50:08d}",
        f"member{number // 50}@example.com",
        f"LC-{person[:10]}",
        f"vtx_{seed}",
    ]
    return (
        (at_ms - number % 7, "voucherify", EVENT, event_id, terms, [("points-added", "sink", key)], "", 0),
        (key, "sent", at_ms + 5 + number % 40, 3 + number % 30, 204, "", 0, ""),
    )


async def _read(url: str) -> dict[str, float]:
    client = connect(RedisSettings(url=url))
    partitions = Partitions([client])
    cursor = (await find_events(partitions, EventFilter(), limit=1)).cursor
    old = f"{int(cursor.split('-')[0]) - _STORED // 32}-0-0-0"
    reads = {
        "newest": lambda _: find_events(partitions, EventFilter()),
        "in the middle": lambda _: find_events(partitions, EventFilter(), cursor=old),
        "of a customer": lambda n: find_events(
            partitions, EventFilter(search=f"member{(n * 7919) % (_STORED // 50)}@example.com")
        ),
        "of no one": lambda n: find_events(partitions, EventFilter(search=f"absent{n}@example.com")),
        "with a rare state": lambda _: find_events(partitions, EventFilter(state="dead")),
    }
    times = {name: await _slowest(read) for name, read in reads.items()}
    await client.aclose()
    return times


async def _slowest(read: Callable[[int], Awaitable[object]]) -> float:
    slowest = 0.0
    for number in range(_PAGES):
        began = time.perf_counter()
        await read(number)
        slowest = max(slowest, (time.perf_counter() - began) * 1000)
    return slowest
