"""Raises alerts about work that waits: in the queue, at a channel, in digests or on a receiver's disk."""

from __future__ import annotations

from broker.merged.channels import merge_channels, read_channels
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.reportable import Reportable
from broker.monitoring.spilled import read_spilled
from broker.queue.channel_state import Channel, held_notifications
from broker.redis.client import Client
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
from broker.redis.server.facts import read_facts
from worker.monitoring.alerts import Alerts
from worker.monitoring.work_conditions import KINDS, WorkFacts, end_text, work_alerts
from worker.settings import AlertSettings

_MEMORY_EVERY_MS = 60_000
"""Milliseconds between two looks at the memory of Redis. It fills slowly, and INFO is one more command."""


class WorkMonitor:
    """Checks whether work that waits causes an alert."""

    def __init__(self, partitions: Partitions, alerts: Alerts, settings: AlertSettings) -> None:
        self._partitions = partitions
        self._alerts = alerts
        self._memory_used, self._memory_read_ms = 0.0, 0
        self.reload(settings)

    def reload(self, settings: AlertSettings) -> None:
        """Apply these settings from now on."""
        self._settings = settings

    async def check(self, counts: Reportable, now_ms: int) -> None:
        """Raise and end alerts by counts that were just read. Several workers may do so at a time.

        Raises BrokerError.
        """
        facts = await self._facts(counts, now_ms)
        holding = {alert.name: alert for alert in work_alerts(facts, self._settings, now_ms)}
        current: dict[str, Alert] = {}
        if holding or counts.alerts:
            current = {
                alert.name: alert for alert in await current_alerts(self._partitions.control, now_ms=now_ms)
            }
        for name, alert in holding.items():
            await self._alerts.hold(alert.since(current.get(name, alert).since_ms), now_ms=now_ms)
        for name, alert in current.items():
            if alert.kind in KINDS and name not in holding:
                await self._alerts.end(alert, end_text(alert))

    async def _facts(self, counts: Reportable, now_ms: int) -> WorkFacts:
        if now_ms - self._memory_read_ms >= _MEMORY_EVERY_MS:
            self._memory_used, self._memory_read_ms = await self._fullest(), now_ms
        channels = await self._channels() if counts.channels else []
        spilled = await self._spilled() if counts.spilled else 0
        return WorkFacts(
            queued_since_ms=counts.queued_since_ms,
            due_since_ms=counts.due_since_ms,
            digest_since_ms=counts.digest_since_ms,
            channels=channels,
            held={channel.name: await self._held(channel.name) for channel in channels if channel.held},
            spilled=spilled,
            memory_used=self._memory_used,
        )

    async def _channels(self) -> list[Channel]:
        return merge_channels((await read_channels(self._partitions)).by_partition)

    async def _spilled(self) -> int:
        reports = await ask_all(self._partitions, read_spilled)
        return sum(place.bodies for each in reports for place in each.values())

    async def _held(self, channel: str) -> int:
        return sum(await ask_all(self._partitions, lambda redis: held_notifications(redis, channel)))

    async def _fullest(self) -> float:
        return max(await ask_all(self._partitions, _memory_used), default=0.0)


async def _memory_used(redis: Client) -> float:
    return (await read_facts(redis)).memory_used()
