"""Raises an alert when no worker is alive. Receivers and inspectors run it, since no worker can.

The workers' own monitor ends the alert, as soon as there is a worker again: see work_monitor.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from broker.monitoring.alerts import Alert
from broker.queue.live_workers import has_reader
from broker.redis import clock
from broker.redis.errors import BrokerError
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
from runtime.fault_log import Faults
from sources.retry_deadline import clock as moment
from worker.channels.channel import open_channels
from worker.channels.settings import ChannelSettings
from worker.monitoring.alerts import Alerts
from worker.monitoring.work_conditions import WORKERS
from worker.settings import AlertSettings

log = logging.getLogger("hookline.worker")

_EVERY_S = 10.0
_AWAY_MS = 30_000
"""Milliseconds without a sign of life of any worker after which the alert is raised. Each gives one every few
seconds."""


class WorkerWatch:
    """Watches for one process whether a worker is alive."""

    def __init__(
        self,
        partitions: Partitions,
        channels: Callable[[], Mapping[str, ChannelSettings]],
        settings: Callable[[], AlertSettings],
    ) -> None:
        """channels, settings: return the current config. The channel of alerts is opened for an alert."""
        self._partitions = partitions
        self._channels = channels
        self._settings = settings
        self._none_since_ms = 0

    async def run(self) -> None:
        """Check until cancelled. While Redis is not reachable, nothing is known about workers."""
        faults = Faults(log, "a check for live workers failed", action="monitors_failed")
        while True:
            try:
                await self.check()
            except BrokerError:  # other loops report it
                self._none_since_ms = 0
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            await asyncio.sleep(_EVERY_S)

    async def check(self) -> None:
        """Raise the alert if no partition had a sign of life for long enough. Raises BrokerError."""
        now_ms = await clock.now_ms(self._partitions.control)
        answers = await ask_all(self._partitions, lambda redis: has_reader(redis, within_ms=_AWAY_MS))
        if answers.away or any(answers):
            self._none_since_ms = 0
            return
        self._none_since_ms = self._none_since_ms or now_ms
        # A process that has just started gives workers the time to start too.
        if now_ms - self._none_since_ms >= _EVERY_S * 1000:
            await self._raise(self._none_since_ms, now_ms)

    async def _raise(self, since_ms: int, now_ms: int) -> None:
        text = f"No worker is alive since {moment(since_ms)}: webhooks are accepted and wait; start workers"
        settings, channels = self._settings(), self._channels()
        chosen = {name: one for name, one in channels.items() if name == settings.channel}
        opened = open_channels(chosen, {})
        try:
            alerts = Alerts(self._partitions.control, opened.get(settings.channel), settings)
            await alerts.hold(Alert(kind=WORKERS, source="", since_ms=since_ms, text=text), now_ms=now_ms)
        finally:
            for channel in opened.values():
                await channel.close()
