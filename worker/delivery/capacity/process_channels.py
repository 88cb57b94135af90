"""The channels of one worker process: their settings, and what the sends for all partitions share."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping

from broker.redis.partitions import Partitions
from worker.channels.settings import BreakerSettings, CommonSettings
from worker.delivery.capacity.rate_limit import Pacer
from worker.delivery.capacity.send_pool import SendPool

SLOW_S = 0.5
"""A channel is slow when none of its sends has ended for this long, and so is a job that has run for this long."""

FLOWS_S = 0.25
"""Seconds after the end of a send for which the channel is known to answer."""

_TURNS = 5
"""Turns of the event loop in which sends end whose answers came while this process was busy."""


class ProcessChannel:
    """A channel in this process: the pool of its sends, and whether they hang."""

    def __init__(self, name: str, pacer: Pacer) -> None:
        self.name = name
        self.pacer = pacer
        self.breaker = BreakerSettings()
        self.pool = SendPool(1)
        """Runs the sends: one at a time until the channel's settings are known."""

        self.concurrency = 1
        """The size of the pool."""

        self._sends = 0
        self._last_change = 0.0  # a send ended, or began while there was no other
        self._last_end = -math.inf
        self._hung = 0  # the sends that began before one of them took long, and have not ended
        self._progress = asyncio.Event()

    def reload(self, settings: CommonSettings) -> None:
        """Apply the channel's settings. Sends under way end in the pool in which they began."""
        self.breaker = settings.breaker
        self.pacer.reload(settings.rate_per_s)
        self.concurrency = settings.concurrency
        self.pool = SendPool(settings.concurrency)

    def start_send(self) -> None:
        """Note that a send begins."""
        if not self._sends:
            self._last_change = time.monotonic()
        self._sends += 1

    def end_send(self) -> None:
        """Note that a send has ended."""
        now = time.monotonic()
        if not self._hung and now - self._last_change > SLOW_S:
            self._hung = self._sends
        if self._hung:
            self._hung -= 1  # the next ones may hang as long
        else:
            self._last_end = now
        self._sends -= 1
        self._last_change = now
        self._progress.set()

    def end_job(self) -> None:
        """Note that a job of the channel has ended."""
        self._progress.set()

    def flows(self) -> bool:
        """Return whether a send ended a moment ago that did not hang."""
        return not self._hung and time.monotonic() - self._last_end < FLOWS_S

    async def moves(self, patience_s: float) -> bool:
        """Wait until a send or a job ends. Returns False if none has ended for `patience_s`."""
        if self._hung or self.flows() or self.pacer.rate_per_s:
            return False
        left_s = patience_s - (time.monotonic() - self._last_change) if self._sends else patience_s
        progress = self._progress
        progress.clear()
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                return await progress.wait()
        except TimeoutError:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            return progress.is_set()

    def may_hang(self) -> bool:
        """Return whether sends wait for the channel's rate, or have not ended lately."""
        return self.pacer.waiting > 0 if self.pacer.rate_per_s else not self.flows()


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
