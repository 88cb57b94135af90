"""Keeps this process registered as a live worker, and reads the partitions of its share while it is active.

A worker that becomes active joins its partitions at once. The other active workers see it when they register
next, and leave partitions that are no longer theirs one period later, when the new reader has joined. A
registration lasts three periods. So a worker that misses one, for example in a collection of garbage, stays in the
list. One that is frozen for longer is removed, and others read its partitions. If it continues, there is a second
reader for a while, which is always safe.

An active worker that has little to do asks to stand by, and one that stands by helps when readers are behind: see
worker/partitions/backlog_watch.py.

While the control partition is away, workers keep the partitions that they have. In each period they look at one of
the others in turn: at the time that the heartbeats and claims of its readers leave there. If it has none, they
read it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Iterable
from importlib.metadata import version

from broker.queue.live_workers import LONGEST_MS, Wish, Worker, has_reader, look, register, sign_off
from broker.redis.errors import BrokerError
from broker.redis.outage import Outage, pause
from broker.redis.partitions import Partitions
from runtime.fault_log import Faults
from worker.partitions.readers import Readers
from worker.partitions.shares import are_first, share_of
from worker.settings import Settings

log = logging.getLogger("hookline.worker")

_PERIOD_S = 5.0
"""Seconds between two registrations."""

BEHIND_S = 0.5
"""Seconds that a batch or a job may wait for the readers of a partition before they count as behind."""

_LASTS = 3
"""Periods for which a registration lasts."""

# When it leaves, the others get its part: with three workers each of them then uses less than half of a core.
_LITTLE_CPU = 0.3
"""Share of a core below which a worker has little to do."""


class Registration:
    """The registration of one worker process."""

    def __init__(
        self,
        partitions: Partitions,
        name: str,
        settings: Settings,
        readers: Readers,
        *,
        fingerprint: Callable[[], str],
        is_busy: Callable[[], bool],
    ) -> None:
        """fingerprint: returns that of the config. is_busy: returns whether this process runs many jobs."""
        self._partitions = partitions
        self._name = name
        self._readers = readers
        self._fingerprint = fingerprint
        self._is_busy = is_busy
        self._version = version("hookline")
        self._period_s = min(_PERIOD_S, settings.lease_s / 3)
        self._lease_ms = int(settings.lease_s * 1000)
        self._unwanted_since: dict[int, float] = {}  # by partition, of the monotonic clock
        self._active_since = 0.0
        self._cpu_since = time.monotonic(), time.process_time()
        self._outage = Outage(log, "registering this worker")
        self._registering = asyncio.Lock()
        # Workers do not look at the same partitions at the same time.
        self._looked_at = random.randrange(len(partitions))  # noqa: S311 - no secret
        self.on_registered: Callable[[], None] = lambda: None
        """Called after each registration, which is a write."""

        self.workers = 1
        """The number of live workers."""

    async def run(self) -> None:
        """Register and follow the list of active workers until cancelled."""
        faults = Faults(log, "this worker was not registered", action="registration_failed")
        # Not `repeat`: in an outage of the control partition there is other work to do.
        while True:
            began = time.monotonic()
            try:
                await self._follow("rest" if self._has_little_to_do() else "keep")
            except BrokerError as error:
                self._outage.note(error)
                await self._adopt()
            except Exception as error:  # noqa: BLE001 - logged
                faults.note(error)
            jitter = random.uniform(0.9, 1.0)  # noqa: S311 - no secret
            await pause(jitter * self._period_s - (time.monotonic() - began))

    async def help(self, without_reader: Collection[int]) -> None:
        """Become active, because partitions are behind, and read at once those that have no reader.

        Does nothing if another worker has just done so. Raises BrokerError.
        """
        if await self._follow("help"):
            log.info("helps: other workers are behind", extra={"action": "worker_helps"})
            self._join(without_reader)

    async def sign_off(self) -> None:
        """Let others read the partitions of this worker soon. If that fails, the registration ends by itself."""
        try:
            await sign_off(self._partitions.control, self._worker())
        except BrokerError as error:
            self._outage.note(error)

    async def _follow(self, wish: Wish) -> bool:
        """Register, join the partitions of the own share, and leave others later. Raises BrokerError.

        Returns whether the wish is granted.
        """
        async with self._registering:
            lasts_ms = min(LONGEST_MS, int(_LASTS * self._period_s * 1000))
            fleet = await register(self._partitions.control, self._worker(), lasts_ms=lasts_ms, wish=wish)
            self._outage.end()
            self.on_registered()
            self.workers = fleet.size
            wanted = share_of(self._name, fleet.active, len(self._partitions))
            self._readers.let_first(are_first=are_first(self._name, fleet.active, len(self._partitions)))
            self._join(wanted)
            await self._leave_unwanted(self._readers.numbers - wanted)
        return fleet.granted

    def _worker(self) -> Worker:
        return Worker(self._name, self._fingerprint(), self._version)

    async def _leave_unwanted(self, unwanted: Collection[int]) -> None:
        now = time.monotonic()
        self._unwanted_since = {number: self._unwanted_since.get(number, now) for number in unwanted}
        left = {
            number
            for number, since in self._unwanted_since.items()
            if now - since >= 0.8 * self._period_s and not await self._is_behind(number)
        }
        if left:
            self._readers.leave(left)
            log.info("left partitions %s", _named(left), extra={"action": "partitions_left"})

    async def _is_behind(self, number: int) -> bool:
        try:
            return (await look(self._partitions[number])).waits_s > BEHIND_S
        except BrokerError:  # it is away: stay until it is known
            return True

    def _has_little_to_do(self) -> bool:
        """Return whether this worker was active for a period, and has little to do."""
        now, cpu_s = time.monotonic(), time.process_time()
        began, cpu_before_s = self._cpu_since
        self._cpu_since = now, cpu_s
        if not self._readers.numbers or self._is_busy() or cpu_s - cpu_before_s > _LITTLE_CPU * (now - began):
            self._active_since = now
        return now - self._active_since >= self._period_s

    async def _adopt(self) -> None:
        """Look at the next partition of others, and read it if no worker does; then look at the one after it."""
        count = len(self._partitions)
        if count == 1:
            self._join([0])
            return
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

    def _join(self, numbers: Collection[int]) -> None:
        if joined := self._readers.join(numbers):
            log.info("reads partitions %s", _named(joined), extra={"action": "partitions_joined"})


def _named(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
