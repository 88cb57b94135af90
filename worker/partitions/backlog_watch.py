"""Watches the partitions that other workers read, and helps where they are behind.

A worker that stands by does not wait for webhooks or jobs. So those that are active find more of them each time
they look, and more events share the fixed costs of a batch and of a job. This watch ends the standby: when the
load grows, when a slow channel occupies the active workers, and when these are dead or frozen.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection

from broker.queue.live_workers import Look, look
from broker.redis.client import Client
from broker.redis.fan_out import ask_all
from broker.redis.outage import Outage, repeat
from broker.redis.partitions import Partitions
from runtime.fault_log import Faults
from runtime.host_cpu import idle_cores
from worker.partitions.readers import Readers
from worker.partitions.registration import BEHIND_S, Registration

log = logging.getLogger("hookline.worker")

_EVERY_S = 2.0
"""Seconds between two looks at all partitions. An idle worker must send few commands."""

_LOOKS_PER_S = 10
"""Partitions that all workers together look at in a second, unless each looks more rarely than it may."""

# A reader that has jobs claims several times a second.
_SILENT_S = 1.0
"""Seconds without a claim and without a heartbeat after which a partition that is behind has no reader."""

# A helper on a host without idle CPU takes it from the active workers, and all of them do their work in smaller
# parts. But what keeps those from their work may be something else, such as a slow channel.
_IDLE_CORES = 0.25
"""The part of a core that must be idle for a helper, unless work waits for very long."""

_MEASURED_S = 0.25
"""Seconds for which the idle CPU is measured."""

_LONG_BEHIND_S = 10.0
"""Seconds that a batch or a job may wait before another worker helps even without idle CPU."""


class BacklogWatch:
    """The watch of one worker process."""

    def __init__(self, partitions: Partitions, readers: Readers, registration: Registration) -> None:
        self._partitions = partitions
        self._readers = readers
        self._registration = registration

    async def run(self) -> None:
        """Look and help until cancelled. While Redis is not reachable, it waits."""
        faults = Faults(log, "the backlog of other workers was not read", action="backlog_watch_failed")
        await repeat(self._step, Outage(log, "watching the backlog", is_secondary=True), faults)

    async def _step(self) -> float:
        behind = {number: each for number, each in (await self._look()).items() if each.waits_s > BEHIND_S}
        without_reader = [number for number, each in behind.items() if each.silent_s > _SILENT_S]
        if behind and (without_reader or await _is_useful(behind.values())):
            await self._registration.help(without_reader)
        every_s = max(_EVERY_S, self._registration.workers * len(self._partitions) / _LOOKS_PER_S)
        return every_s * random.uniform(0.8, 1.0)  # noqa: S311 - workers should not do it together

    async def _look(self) -> dict[int, Look]:
        """Look at the partitions that this worker does not read. Raises BrokerError."""
        others = set(range(len(self._partitions))) - self._readers.numbers
        if not others:
            return {}

        async def read(redis: Client) -> Look | None:
            return await look(redis) if redis.partition in others else None

        answers = await ask_all(self._partitions, read)
        return {number: each for number, each in answers.by_partition.items() if each}


async def _is_useful(behind: Collection[Look]) -> bool:
    """Return whether a helper on this host does work that the active workers cannot do."""
    if any(each.waits_s > _LONG_BEHIND_S for each in behind):
        return True
    cores = await idle_cores(_MEASURED_S)
    return cores is None or cores > _IDLE_CORES
