"""The channels of one worker process: their settings, and what the sends for all partitions share."""

from __future__ import annotations

import time
from collections.abc import Mapping

from broker.redis.partitions import Partitions
from worker.channels.settings import BreakerSettings, CommonSettings
from worker.delivery.capacity.rate_limit import Pacer
from worker.delivery.capacity.send_pool import SendPool

SLOW_S = 0.5
"""A channel is slow when none of its sends has ended for this long, and so is a job that has run for this long."""


class ProcessChannel:
    """A channel in this process: the pool of its sends, and whether they hang."""

    def __init__(self, name: str, pacer: Pacer) -> None:
        self.name = name
        self.pacer = pacer
        self.breaker = BreakerSettings()
        self.pool = SendPool(1)
        """Runs the sends: one at a time until the channel's settings are known."""

        self._sends = 0
        self._last_change = 0.0

    def reload(self, settings: CommonSettings) -> None:
        """Apply the channel's settings. Sends under way end in the pool in which they began."""
        self.breaker = settings.breaker
        self.pacer.reload(settings.rate_per_s)
        self.pool = SendPool(settings.concurrency)

    def start_send(self) -> None:
        """Note that a send begins."""
        if not self._sends:
            self._last_change = time.monotonic()
        self._sends += 1

    def end_send(self) -> None:
        """Note that a send has ended."""
        self._sends -= 1
        self._last_change = time.monotonic()

    def is_slow(self) -> bool:
        """Return whether sends hang, or wait for the channel's rate."""
        hangs = bool(self._sends) and time.monotonic() - self._last_change > SLOW_S
        return hangs or self.pacer.waiting > 0


class ProcessChannels:
    """All channels of one worker process."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._channels: dict[str, ProcessChannel] = {}

    def reload(self, settings: Mapping[str, CommonSettings]) -> None:
        """Apply the settings of these channels."""
        for name, channel_settings in settings.items():
            self.of(name).reload(channel_settings)

    def names(self) -> list[str]:
        """The names of the channels of the config, and of those that had a job."""
        return list(self._channels)

    def of(self, name: str) -> ProcessChannel:
        """The channel with this name."""
        channel = self._channels.get(name)
        if channel is None:
            partitions = self._partitions
            pacer = Pacer(partitions[partitions.number_for(name)], name)
            channel = self._channels[name] = ProcessChannel(name, pacer)
        return channel
