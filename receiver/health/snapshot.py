"""Reads the data of all receivers and workers from Redis, for one scrape of /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from msgspec import Struct

from broker.dead_letters import count as count_dead_letters
from broker.merged.channels import merge_channels, read_states
from broker.merged.source_health import merge_sources
from broker.merged.sums import sum_totals
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.source_health import SourceFacts, read_sources
from broker.monitoring.stats import Totals, read_totals
from broker.queue.channel_state import Channel, ChannelStates
from broker.redis.client import Client
from broker.redis.errors import BrokerError, Unavailable
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
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

    partitions_up: Mapping[int, bool] = {}
    """True for each partition that answered, by its number; empty if there is only one."""

    def is_complete(self) -> bool:
        """Return True if no partition is missing in the figures."""
        return all(self.partitions_up.values())


class SnapshotReader:
    """Reads snapshots for one process."""

    def __init__(
        self,
        partitions: Partitions,
        kinds: Callable[[], Mapping[str, Provider]],
        error_streaks: ErrorStreaks,
    ) -> None:
        self._partitions = partitions
        self._kinds = kinds
        self._error_streaks = error_streaks

    async def read(self) -> Snapshot:
        """Read from all partitions; takes at most a second."""
        kinds = self._kinds()
        try:
            answers = await ask_all(self._partitions, lambda redis: _read(redis, kinds))
        except BrokerError:
            facts = _joined(kinds, self._error_streaks.facts(kinds))
            up = _up(self._partitions, {})
            return Snapshot(self._partitions.control.clock.now_ms(), None, facts, [], partitions_up=up)
        each = list(answers)
        return Snapshot(
            at_ms=each[0].channels.at_ms,
            totals=sum_totals(partition.totals for partition in each),
            sources=_joined(kinds, merge_sources(partition.sources for partition in each)),
            alerts=[alert for partition in each for alert in partition.alerts],
            dead_letters=sum(partition.dead_letters for partition in each),
            channels=merge_channels({n: partition.channels for n, partition in answers.by_partition.items()}),
            partitions_up=_up(self._partitions, answers.by_partition),
        )


class _Partition(NamedTuple):
    channels: ChannelStates
    totals: Totals
    sources: Mapping[str, SourceFacts]
    alerts: list[Alert]
    dead_letters: int


async def _read(redis: Client, sources: Collection[str]) -> _Partition:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            channels = await read_states(redis)
            return _Partition(
                channels=channels,
                totals=await read_totals(redis),
                sources=await read_sources(redis, sources),
                alerts=await current_alerts(redis, now_ms=channels.at_ms) if redis.partition == 0 else [],
                dead_letters=await count_dead_letters(redis),
            )
    except TimeoutError:
        raise Unavailable("Redis did not answer in time") from None


def _up(partitions: Partitions, answered: Collection[int]) -> dict[int, bool]:
    return {number: number in answered for number in range(len(partitions))} if len(partitions) > 1 else {}


def _joined(kinds: Mapping[str, Provider], facts: Mapping[str, SourceFacts]) -> dict[str, Source]:
    return {name: Source(kind, facts[name]) for name, kind in kinds.items()}
