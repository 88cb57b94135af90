"""Keeps this process registered as a live worker, and reads the partitions of its share.

A worker that comes joins its partitions at once. The others see it when they register next, and leave those that
are no longer theirs one period later, when the new reader has joined. A registration lasts three periods. So a
worker that misses one, for example in a collection of garbage, stays in the list. One that is frozen for longer is
removed, and others read its partitions. If it continues, there is a second reader for a while, which is always
safe.

While the control partition is away, workers keep the partitions that they have. In each period they look at one of
the others in turn: at the time that the heartbeats and claims of its readers leave there. If it has none, they
read it.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable

from broker.queue.live_workers import LONGEST_MS, has_reader, register, sign_off
from broker.redis.errors import BrokerError
from broker.redis.outage import Outage, pause
from broker.redis.partitions import Partitions
from runtime.fault_log import Faults
from worker.partitions.readers import Readers
from worker.partitions.shares import share_of
from worker.settings import Settings

log = logging.getLogger("hookline.worker")

_PERIOD_S = 5.0
"""Seconds between two registrations."""

_LASTS = 3
"""Periods for which a registration lasts."""


class Registration:
    """The registration of one worker process. With one partition nothing is registered, and it reads that one."""

    def __init__(self, partitions: Partitions, name: str, settings: Settings, readers: Readers) -> None:
        self._partitions = partitions
        self._name = name
        self._readers = readers
        self._period_s = min(_PERIOD_S, settings.lease_s / 3)
        self._lease_ms = int(settings.lease_s * 1000)
        self._unwanted_since: dict[int, float] = {}  # by partition, of the monotonic clock
        self._outage = Outage(log, "registering this worker")
        # Workers do not look at the same partitions at the same time.
        self._looked_at = random.randrange(len(partitions))  # noqa: S311 - no secret

    async def run(self) -> None:
        """Register and follow the list of live workers until cancelled."""
        if len(self._partitions) == 1:
            self._readers.join([0])
            return
        faults = Faults(log, "this worker was not registered", action="registration_failed")
        # Not `repeat`: in an outage of the control partition there is other work to do.
        while True:
            began = time.monotonic()
            try:
                await self._follow()
            except BrokerError as error:
                self._outage.note(error)
                await self._adopt()
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            jitter = random.uniform(0.9, 1.0)  # noqa: S311 - no secret
            await pause(jitter * self._period_s - (time.monotonic() - began))

    async def sign_off(self) -> None:
        """Let others read the partitions of this worker soon. If that fails, the registration ends by itself."""
        if len(self._partitions) == 1:
            return
        try:
            await sign_off(self._partitions.control, self._name)
        except BrokerError as error:
            self._outage.note(error)

    async def _follow(self) -> None:
        """Register, join the partitions of the own share, and leave others later. Raises BrokerError."""
        lasts_ms = min(LONGEST_MS, int(_LASTS * self._period_s * 1000))
        live = await register(self._partitions.control, self._name, lasts_ms=lasts_ms)
        self._outage.end()
        wanted = share_of(self._name, live, len(self._partitions))
        self._join(wanted)
        now = time.monotonic()
        unwanted = self._readers.numbers - wanted
        self._unwanted_since = {number: self._unwanted_since.get(number, now) for number in unwanted}
        left = {number for number, since in self._unwanted_since.items() if now - since >= 0.8 * self._period_s}
        if left:
            self._readers.leave(left)
            log.info("left partitions %s", _named(left), extra={"action": "partitions_left"})

    async def _adopt(self) -> None:
        """Look at the next partition of others, and read it if no worker does; then look at the one after it."""
        count = len(self._partitions)
        for _ in range(count):
            others = set(range(count)) - self._readers.numbers
            if not others:
                return
            self._looked_at = min(others, key=lambda number: (number - self._looked_at - 1) % count)
            try:
                if await has_reader(self._partitions[self._looked_at], within_ms=self._lease_ms):
                    return
            except BrokerError:  # it is away too
                return
            self._join({self._looked_at})

    def _join(self, numbers: set[int]) -> None:
        if joined := self._readers.join(numbers):
            log.info("reads partitions %s", _named(joined), extra={"action": "partitions_joined"})


def _named(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
