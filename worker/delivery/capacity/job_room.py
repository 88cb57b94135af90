"""How many jobs a worker process may run, and how the partitions that it reads share that room.

Room is counted in notifications: a job takes as much as `counted_size` says, and a full job 64.
"""

from __future__ import annotations

import time

from broker.queue.claims import counted_size
from broker.queue.jobs import MAX_NOTIFICATIONS
from worker.delivery.capacity.process_channels import FLOWS_S
from worker.delivery.partition import Partition

# A partition whose Redis does not answer must not keep its share for long.
_WANTS_MORE_S = 1.0
"""Seconds for which a claim that left due jobs shows that the partition has more."""


# A job waits for its slots for a minute, so a low rate needs few of them.
_JOBS_AT_LEAST = 2
"""Jobs that a channel with a rate limit may run, and further ones for each send a second."""

# Jobs that are released go before those of other channels.
_RELEASED = 256
"""Notifications of a channel that is fast which are released at a time, if no job waits that is due."""


class _Load:
    """The jobs of one partition."""

    def __init__(self) -> None:
        self.jobs = 0
        self.running = 0  # the room that they take
        self.wants_more_until = 0.0  # of the monotonic clock


class JobRoom:
    """The room for jobs in one process.

    Slow jobs do not count against `max_jobs`, up to a limit, so that the jobs of other channels can run. While
    several partitions have more jobs than they may run, each gets an equal share. A partition may always run one
    job, and so may a channel.
    """

    # The jobs of a partition whose Redis is away wait until their outcomes are recorded. The others do not count
    # them: else an outage of one partition would use up the room of all.

    def __init__(self, *, max_jobs: int) -> None:
        self._max = max_jobs * MAX_NOTIFICATIONS
        self._max_slow = max(MAX_NOTIFICATIONS, self._max // 2)
        self._loads: dict[Partition, _Load] = {}

    def open(self, partition: Partition) -> None:
        """Let a partition take part, before its first job."""
        self._loads[partition] = _Load()

    def close(self, partition: Partition) -> None:
        """Let a partition take part no longer, after its last job."""
        del self._loads[partition]

    def partitions(self) -> list[Partition]:
        """The partitions that take part."""
        return list(self._loads)

    def running(self) -> int:
        """The number of jobs that run."""
        return sum(load.jobs for load in self._loads.values())

    def start_job(self, partition: Partition, size: int) -> None:
        """Note that a job of a partition starts. size: its notifications."""
        load = self._loads[partition]
        load.jobs += 1
        load.running += counted_size(size)

    def end_job(self, partition: Partition, size: int) -> None:
        """Note that a job of a partition has ended."""
        load = self._loads[partition]
        load.jobs -= 1
        load.running -= counted_size(size)

    def note_claim(self, partition: Partition, *, left_jobs: bool) -> None:
        """Note whether a claim left jobs that are due."""
        self._loads[partition].wants_more_until = time.monotonic() + _WANTS_MORE_S if left_jobs else 0.0

    def free(self, partition: Partition) -> int:
        """The room that a partition has for further jobs now, at least 0."""
        counted = self._counted(partition)
        slow, channels = self._slow(counted)
        limit = min(self._max + slow, 2 * self._max + channels * MAX_NOTIFICATIONS)
        free = limit - sum(self._loads[each].running for each in counted)
        here = self._loads[partition].running
        rivals = sum(1 for each in counted if each is not partition and self._wants_more(each))
        share = max(MAX_NOTIFICATIONS, limit // (1 + rivals))
        return max(min(free, share - here), 0 if here else MAX_NOTIFICATIONS)

    def is_busy(self) -> bool:
        """Return whether the jobs of this process take at least half of its room."""
        return sum(load.running for load in self._loads.values()) >= max(MAX_NOTIFICATIONS, self._max // 2)

    def is_full(self, partition: Partition, channel: str, size: int) -> bool:
        """Return whether this process runs too many jobs of a channel to start one more of this size.

        Only slow jobs count, and those of a channel that may hang.
        """
        runtime = partition.channels.of(channel)
        most = self._most(partition, channel, size)
        if most and not runtime.jobs():  # the jobs of other partitions must not keep out all of this one
            most += MAX_NOTIFICATIONS
        return self._slow_jobs(partition, channel) >= most

    def patience_s(self, partition: Partition) -> float:
        """Seconds for which a job waits until a send of its channel ends: the less, the more channels may hang."""
        _, channels = self._slow(self._counted(partition))
        return FLOWS_S / max(1, channels)

    def for_channel(self, partition: Partition, channel: str) -> int:
        """The number of held jobs of a channel that this process has room for."""
        runtime = partition.channels.of(channel)
        size = runtime.last_size
        room = max(0, self._most(partition, channel, size) - self._jobs(partition, channel))
        is_fast = runtime.channel.flows() and not runtime.channel.pacer.rate_per_s
        if is_fast and not self._slow_jobs(partition, channel) and not self._wants_more(partition):
            return max(_RELEASED // size, -(-room // counted_size(size)))
        return -(-room // counted_size(size))

    def _wants_more(self, partition: Partition) -> bool:
        return self._loads[partition].wants_more_until > time.monotonic()

    def _jobs(self, partition: Partition, channel: str) -> int:
        return sum(each.channels.of(channel).jobs() for each in self._counted(partition))

    def _slow_jobs(self, partition: Partition, channel: str) -> int:
        return sum(each.channels.of(channel).slow_jobs() for each in self._counted(partition))

    def _slow(self, counted: list[Partition]) -> tuple[int, int]:
        """The room that slow jobs take, and the number of their channels."""
        slow = [(name, room) for each in counted for name, room in each.channels.slow_jobs()]
        return sum(room for _, room in slow), len({name for name, _ in slow})

    def _most(self, partition: Partition, channel: str, size: int) -> int:
        """The room that the jobs of a channel may take, as far as they count, for a job of this size."""
        shared = partition.channels.of(channel).channel
        most, pacer = self._max_slow, shared.pacer
        if pacer.rate_per_s:
            if pacer.far_s():
                return 0
            most = min(most, (_JOBS_AT_LEAST + int(pacer.rate_per_s)) * counted_size(size))
        elif not shared.flows():
            # More than these would only wait, and one of them does, so that there is no break between two jobs.
            jobs = 1 + -(-shared.concurrency // size)
            most = min(most, jobs * counted_size(size))
        if shared.may_hang():  # such channels together must leave the room of `max_jobs` to the others
            slow, _ = self._slow(self._counted(partition))
            most = min(most, max(counted_size(size), self._max - slow + self._slow_jobs(partition, channel)))
        return most

    def _counted(self, partition: Partition) -> list[Partition]:
        return [each for each in self._loads if each is partition or not each.recorder.is_behind()]
