"""Reads the data of all receivers and workers from Redis, for one scrape of /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import Struct

from broker.dead_letters import count as count_dead_letters
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.source_health import SourceFacts, read_sources
from broker.monitoring.stats import Totals, read_totals
from broker.queue.channel_state import Channel, read_channels
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from receiver.health.error_streaks import ErrorStreaks
from sources.provider import Provider

_TIMEOUT_S = 1.0


class Source(NamedTuple):
    """A source, with what is known about its webhooks."""

    kind: Provider
    facts: SourceFacts


class Snapshot(Struct, frozen=True):
    """The data that was read for one scrape."""

    at_ms: int
    totals: Totals | None
    """The counters in Redis; None if Redis did not answer in time, and then the facts about sources are only of
    this process."""

    sources: Mapping[str, Source]
    alerts: list[Alert]
    dead_letters: int = 0
    channels: list[Channel] = []
    """Channels that are not in their normal state."""


class SnapshotReader:
    """Reads snapshots for one process."""

    def __init__(
        self, redis: Client, kinds: Callable[[], Mapping[str, Provider]], error_streaks: ErrorStreaks
    ) -> None:
        self._redis = redis
        self._kinds = kinds
        self._error_streaks = error_streaks

    async def read(self) -> Snapshot:
        """Read from Redis; takes at most a second."""
        kinds = self._kinds()
        now_ms = self._redis.clock.now_ms()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                now_ms = await clock.now_ms(self._redis)
                totals = await read_totals(self._redis)
                facts = await read_sources(self._redis, kinds)
                alerts = await current_alerts(self._redis, now_ms=now_ms)
                dead_letters = await count_dead_letters(self._redis)
                channels = await read_channels(self._redis)
        except (BrokerError, TimeoutError):
            return Snapshot(now_ms, None, _joined(kinds, self._error_streaks.facts(kinds)), [])
        return Snapshot(now_ms, totals, _joined(kinds, facts), alerts, dead_letters, channels)


def _joined(kinds: Mapping[str, Provider], facts: Mapping[str, SourceFacts]) -> dict[str, Source]:
    return {name: Source(kind, facts[name]) for name, kind in kinds.items()}
