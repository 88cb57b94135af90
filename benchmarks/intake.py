"""Compares intake with plain arq: both decode and deduplicate a backlog of bodies, and enqueue notifications.

Each side has one worker process, and neither sends notifications. Hookline's intake reads batches of 64 from the
stream; plain arq runs one job for each body (harness/plain_arq.py). The sides take turns on one Redis. Each pair
of rounds gives a ratio, and the median of the ratios counts.

Redis serves no other client while a script runs, so the time of a commit is shown too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import redis
from msgspec import Struct

from benchmarks.harness import plain_arq
from benchmarks.harness.backlog import fill, sample_bodies
from benchmarks.harness.figures import Figure
from benchmarks.harness.plain_arq import TUNINGS, Tuning
from benchmarks.harness.redis_commands import CommandTimes, times, watch
from benchmarks.harness.redis_server import KEYS, redis_cpu_s, running_redis
from benchmarks.harness.stopwatch import Prepare, Work, measure
from broker.history.settings import HistorySettings
from broker.monitoring import stats
from broker.queue import stream
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from sources import KINDS
from worker.intake.intake import Intake
from worker.intake.planner import Planner
from worker.rules.rules import DEFAULT_RULES, Rule, RuleBook
from worker.settings import Settings
from worker.worker_source import WorkerSource

_BODIES = 60_000
# The speed of plain arq does not depend on the length of the queue, and a round should take only some seconds.
_ARQ_BODIES = 6_000

_PAIRS = 5
_POLL_S = 0.005


class Round(Struct, frozen=True):
    """The speed of one side in one round."""

    per_second: float
    per_cpu_s: float
    """The number of bodies for each second of CPU time of the worker and of Redis together."""

    commands: CommandTimes


def figures() -> list[Figure]:
    """Run the benchmark. Raises RuntimeError if a side did not process all bodies."""
    bodies = sample_bodies(_BODIES)
    with running_redis() as url, contextlib.closing(redis.Redis.from_url(url)) as client:
        hookline = partial(_round, client, bodies, partial(fill, url), partial(prepare_intake, url))
        arq = partial(_arq_round, url, client, bodies[:_ARQ_BODIES])
        tuning = max(TUNINGS, key=lambda tried: arq(tried).per_second)
        pairs = [(arq(tuning), hookline()) for _ in range(_PAIRS)]
    a, b = (median(pair[side].per_second for pair in pairs) for side in (0, 1))
    by_cpu = median(b.per_cpu_s / a.per_cpu_s for a, b in pairs)
    return [
        Figure(
            what="intake against plain arq, bodies a second",
            measured=f"{b:,.0f}/s against {a:,.0f}/s (max_jobs {tuning.max_jobs}); by CPU time {by_cpu:.1f} x",
            value=median(b.per_second / a.per_second for a, b in pairs),
            goal=20,
        ),
        *_in_redis([b.commands for _, b in pairs]),
    ]


def _in_redis(rounds: Sequence[CommandTimes]) -> list[Figure]:
    """Show the times of the round in which Redis was disturbed least."""
    best = min(rounds, key=CommandTimes.in_scripts_us)
    return [
        Figure(
            what="commands in Redis for an event of intake",
            measured=best.shown(_BODIES),
            value=best.in_scripts_us() / _BODIES,
            goal=None,
            unit="us",
        ),
        Figure(
            what="a commit of intake in Redis",
            measured=f"median of {len(best.scripts_ms)}, longest {best.scripts_ms[-1]:.1f} ms",
            value=best.script_ms(),
            goal=2,
            unit="ms",
            at_most=True,
        ),
    ]


def _arq_round(url: str, client: redis.Redis, bodies: Sequence[bytes], tuning: Tuning) -> Round:
    prepare = partial(plain_arq.prepare, url, tuning)
    measured = _round(client, bodies, partial(plain_arq.fill, client), prepare)
    if client.zcard(plain_arq.NOTIFY_QUEUE) != len(bodies):
        raise RuntimeError("plain arq did not enqueue every notification")
    return measured


def _round(
    client: redis.Redis, bodies: Sequence[bytes], fill: Callable[[Sequence[bytes]], None], prepare: Prepare
) -> Round:
    client.flushall()
    fill(bodies)
    watch(client)
    before_s = redis_cpu_s(client)
    spent = measure(prepare)
    cpu_s = spent.cpu_s + redis_cpu_s(client) - before_s
    return Round(len(bodies) / spent.wall_s, len(bodies) / cpu_s, times(client))


async def prepare_intake(
    url: str,
    rules: tuple[Rule, ...] = DEFAULT_RULES,
    history: HistorySettings = HistorySettings(),  # noqa: B008 - frozen
) -> tuple[Work, Work]:
    """Prepare intake, to run until the stream is empty. Returns the work and the function that ends it."""
    client = connect(RedisSettings(url=url))
    planner = Planner(
        {"voucherify": WorkerSource(KINDS["voucherify"], dedupe_window_days=7)},
        RuleBook(rules),
        max_deliveries=3,
        writes_history=history.is_on,
    )
    intake = Intake(client, planner, Settings(), consumer="benchmark")
    await stream.create_group(client)

    async def drain() -> None:
        running = asyncio.create_task(intake.run())
        while await client.xlen(KEYS.stream):  # noqa: ASYNC110 - Redis sets no event
            await asyncio.sleep(_POLL_S)
        intake.stop()
        running.cancel()  # it is waiting for more entries

    async def close() -> None:
        totals = await stats.read_totals(client)
        if totals.waiting + totals.dead_at_intake != totals.accepted:
            raise RuntimeError(f"intake did not make a notification or a dead letter of every body: {totals}")
        await client.aclose()

    return drain, close
