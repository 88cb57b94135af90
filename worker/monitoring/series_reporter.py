"""Adds what this process counted by channel and by source to the counts of all workers, for plots."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence

from broker.monitoring import series
from broker.monitoring.series import Series
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from runtime.fault_log import Faults
from runtime.metrics.declaration import Histogram
from worker.counters import Counters

log = logging.getLogger("hookline.worker")

EVERY_S = 10.0
"""Seconds between two additions; a minute is a multiple of it, so that what is added belongs to one minute."""

_FINISH_S = 1.0
_MOST_NAMES = 50
_OTHER = "(other)"
"""The channel or source for what belongs to further ones than _MOST_NAMES."""


class SeriesReporter:
    """Reports the differences of a process's counters."""

    def __init__(self, redis: Client, counters: Counters) -> None:
        """redis: the control partition."""
        self._redis = redis
        self._counters = counters
        self._reported: dict[Series, int] = {}
        self._names: dict[str, set[str]] = {"channel": set(), "source": set()}
        self._faults = Faults(log, "counts for plots were not reported", action="series_failed")

    async def run(self) -> None:
        """Report until cancelled. While Redis is away, the counts wait, and are added when it is back."""
        while True:
            await asyncio.sleep(EVERY_S - self._redis.clock.now_ms() / 1000 % EVERY_S)
            try:
                await self.report()
            except BrokerError as error:
                log.debug("counts for plots wait: %s", error)
            except Exception as error:  # noqa: BLE001 - logged
                self._faults.note(error)

    async def finish(self) -> None:
        """Add the last counts before the process ends, unless Redis takes long."""
        with contextlib.suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                await self.report()

    async def report(self) -> None:
        """Add what was counted since the last report, as of the middle of that time. Raises BrokerError."""
        now: dict[Series, int] = {}
        for one, count in self._counted():
            now[one] = now.get(one, 0) + count
        new = {one: count - self._reported.get(one, 0) for one, count in now.items()}
        changed = {one: count for one, count in new.items() if count}
        if changed:
            at_ms = self._redis.clock.now_ms() - int(EVERY_S * 500)
            await series.add(self._redis, changed, at_ms=at_ms)
        self._reported = now

    def _counted(self) -> Iterator[tuple[Series, int]]:
        counters = self._counters
        for (_, channel, outcome), count in list(counters.notifications.items()):
            if outcome in ("sent", "dead"):
                yield Series("channel", outcome, self._name("channel", channel)), count
        yield from self._buckets("channel", "latency", counters.latency_s)
        yield from self._buckets("source", "age", counters.source_age_s)

    def _buckets(self, kind: str, what: str, histograms: Mapping[str, Histogram]) -> Iterator[tuple[Series, int]]:
        for name, histogram in list(histograms.items()):
            counts: Sequence[int] = histogram.counts
            for place, count in enumerate(counts):
                if count:
                    yield Series(kind, f"{what}{place}", self._name(kind, name)), count

    def _name(self, kind: str, name: str) -> str:
        names = self._names[kind]
        if name not in names and len(names) >= _MOST_NAMES:
            return _OTHER
        names.add(name)
        return name
