"""Measures a contender: its guarantees, and then a low rate, a steady rate and its limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from statistics import median

from msgspec import Struct

from benchmarks.harness import sink
from benchmarks.peers.contenders import Contender, Tuning
from benchmarks.peers.running import Running, running
from benchmarks.peers.traffic import Sent, Traffic, Webhook

LOW_RATE = 200
RATE = 2000
"""The webhooks a second that are offered to each contender that sustains them."""

AT_MOST = 1000
"""The events that may be on their way while the limit is measured."""

_SHARE = 0.6
"""The share of its limit that is offered to a contender that does not sustain RATE."""

_LOW_S, _STEADY_S, _LIMIT_S, _WARM_UP_S, _SETTLE_S = 4.0, 5.0, 4.0, 1.5, 0.5


class Phase(Struct, frozen=True):
    """The figures of one phase of one round."""

    offered_per_s: int
    """The rate of the webhooks. 0 if they were sent as fast as possible."""

    posted: int
    """The number of webhooks that were sent."""

    arrived_per_s: float
    cpu_us: dict[str, float]
    """The CPU time of each component for each webhook, in microseconds."""

    received_p50_ms: float
    received_p99_ms: float
    ack_p99_ms: float

    @property
    def total_us(self) -> float:
        """The CPU time of all components for each webhook, in microseconds."""
        return sum(self.cpu_us.values())


class Round(Struct, frozen=True):
    """The figures of one round."""

    low: Phase
    steady: Phase
    limit: Phase

    left_bytes: float
    """The memory that Redis still uses for each webhook of the last phase, when all notifications have arrived."""


async def measure(contender: Contender, events: list[Webhook], before: list[Round]) -> Round:
    """Run one round. Its steady rate depends on the limit in the rounds before, or in a short look at it.

    Raises RuntimeError if the contender loses a webhook or does not start.
    """
    async with _traffic(contender, events, contender.tunings[0]) as (traffic, contestant):
        warm_up = await traffic.as_fast_as_possible(_WARM_UP_S, at_most=AT_MOST)
        limit = median(each.limit.arrived_per_s for each in before) if before else warm_up.arrived_per_s
        rate = steady_rate(limit)
        low = await _phase(contestant, traffic, min(LOW_RATE, rate), _LOW_S)
        steady = await _phase(contestant, traffic, rate, _STEADY_S)
        before_bytes = contestant.redis_bytes()
        at_limit = await _phase(contestant, traffic, 0, _LIMIT_S)
        await asyncio.sleep(_SETTLE_S)
        left_bytes = (contestant.redis_bytes() - before_bytes) / at_limit.posted
        return Round(low=low, steady=steady, limit=at_limit, left_bytes=left_bytes)


async def limit_of(contender: Contender, events: list[Webhook], tuning: Tuning) -> Phase:
    """Measure the limit of a contender with other settings. Raises RuntimeError as `measure` does."""
    async with _traffic(contender, events, tuning) as (traffic, contestant):
        await traffic.as_fast_as_possible(_WARM_UP_S, at_most=AT_MOST)
        return await _phase(contestant, traffic, 0, _LIMIT_S)


def steady_rate(limit_per_s: float) -> int:
    """Return the webhooks a second to offer to a contender with this limit."""
    return max(10, min(RATE, int(_SHARE * limit_per_s) // 10 * 10))


@contextlib.asynccontextmanager
async def _traffic(
    contender: Contender, events: list[Webhook], tuning: Tuning
) -> AsyncIterator[tuple[Traffic, Running]]:
    listener, url = sink.listen()
    with listener, running(contender, url, tuning) as contestant:
        traffic = Traffic(events, contestant.port, contender.path)
        close = await sink.serve(listener, traffic.take)
        try:
            await traffic.open()
            yield traffic, contestant
        finally:
            traffic.close()
            await close()


async def _phase(contestant: Running, traffic: Traffic, rate: int, seconds: float) -> Phase:
    await asyncio.sleep(_SETTLE_S)
    before = contestant.cpu_s()
    if rate:
        sent = await traffic.at_rate(rate, seconds)
    else:
        sent = await traffic.as_fast_as_possible(seconds, at_most=AT_MOST)
    spent = {role: (end - before[role]) * 1e6 / sent.posted for role, end in contestant.cpu_s().items()}
    return _figures(sent, rate, spent)


def _figures(sent: Sent, rate: int, cpu_us: dict[str, float]) -> Phase:
    return Phase(
        offered_per_s=rate,
        posted=sent.posted,
        arrived_per_s=sent.arrived_per_s,
        cpu_us=cpu_us,
        received_p50_ms=_percentile(sent.received_s, 0.5) * 1000,
        received_p99_ms=_percentile(sent.received_s, 0.99) * 1000,
        ack_p99_ms=_percentile(sent.acks_s, 0.99) * 1000,
    )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
