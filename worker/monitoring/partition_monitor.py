"""Raises an alert about each partition that does not answer, or accepts no writes, for a minute.

Each worker asks the partitions that it reads, and not only the one that checks the other conditions: it may be the
only one that cannot reach a partition. About the control partition there is the alert of monitors.py, which needs
no Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from broker.monitoring.alerts import Alert
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from broker.redis.server.node import node_of
from broker.redis.server.probe import probe
from sources.retry_deadline import clock
from worker.monitoring.alerts import Alerts

KIND = "partition"
AWAY_MS = 60_000

_SHOWN_MS = 120_000
"""How long the alert is shown after the last check that raised it. It then ends by itself, in case that the only
worker that could not reach the partition has stopped."""


class PartitionMonitor:
    """Watches the partitions that one worker process reads, but not the control partition."""

    def __init__(self, partitions: Partitions, alerts: Alerts, numbers: Callable[[], Collection[int]]) -> None:
        """numbers: returns the numbers of the partitions that this process reads now."""
        self._partitions = partitions
        self._numbers = numbers
        self._alerts = alerts
        self._away_since_ms: dict[int, int] = {}

    async def check(self, now_ms: int) -> None:
        """Raise the alerts that hold and end the others. Never raises BrokerError."""
        numbers = sorted({*self._numbers()} - {0})
        for number in self._away_since_ms.keys() - set(numbers):
            del self._away_since_ms[number]  # another worker watches it now, and its alert ends by itself
        faults = await asyncio.gather(*map(self._fault, numbers))
        for number, fault in zip(numbers, faults, strict=True):
            if fault is not None:
                await self._note_away(number, fault, now_ms)
            else:
                await self._note_back(number)

    async def _fault(self, number: int) -> BrokerError | None:
        try:
            await probe(self._partitions[number])
        except BrokerError as error:
            return error
        return None

    async def _note_away(self, number: int, error: BrokerError, now_ms: int) -> None:
        since_ms = self._away_since_ms.setdefault(number, now_ms)
        if now_ms - since_ms >= AWAY_MS:
            await self._alerts.hold(self._alert(number, since_ms, now_ms, str(error)), now_ms=now_ms)

    async def _note_back(self, number: int) -> None:
        since_ms = self._away_since_ms.pop(number, 0)
        if since_ms:
            text = f"partition {number} of Redis is back, after an outage since {clock(since_ms)}"
            await self._alerts.end(self._alert(number, since_ms, since_ms, ""), text)

    def _alert(self, number: int, since_ms: int, now_ms: int, error: str) -> Alert:
        return Alert(
            kind=KIND,
            source=str(number),
            since_ms=since_ms,
            text=f"partition {number} of Redis accepts no writes of this worker since {clock(since_ms)}: {error}; "
            "what is stored there waits, and the other partitions go on",
            data={"partition": number, "node": node_of(self._partitions[number])},
            ends_ms=now_ms + _SHOWN_MS,
        )
