"""How many jobs a worker process may run, and how the partitions that it reads share that room."""

from __future__ import annotations

import time

from worker.delivery.partition import Partition

# A partition whose Redis does not answer must not keep its share for long.
_WANTS_MORE_S = 1.0
"""Seconds for which a claim that left due jobs shows that the partition has more."""


# A job waits for its slots for a minute, so a low rate needs few of them.
_JOBS_AT_LEAST = 2
"""Jobs that a channel with a rate limit may run, and further ones for each send a second."""

# Jobs that are released go before those of other channels.
_RELEASED = 128
"""Notifications of a channel that is fast which are released at a time, if no job waits that is due."""


class _Load:
    """The jobs of one partition."""

    def __init__(self) -> None:
        self.running = 0
        self.wants_more_until = 0.0  # of the monotonic clock


class JobRoom:
    """The room for jobs in one process.

    Slow jobs do not count against `max_jobs`, up to a limit, so that the jobs of other channels can run. While
    several partitions have more jobs than they may run, each gets an equal share. A partition may always run one
    job.
    """

    # The jobs of a partition whose Redis is away wait until their outcomes are recorded. The others do not count
    # them: else an outage of one partition would use up the room of all.

    def __init__(self, *, max_jobs: int) -> None:
        self._max_jobs = max_jobs
        self._max_slow = max(1, max_jobs // 2)
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
        return sum(load.running for load in self._loads.values())

    def start_job(self, partition: Partition) -> None:
        """Note that a job of a partition starts."""
        self._loads[partition].running += 1

    def end_job(self, partition: Partition) -> None:
        """Note that a job of a partition has ended."""
        self._loads[partition].running -= 1

    def note_claim(self, partition: Partition, *, left_jobs: bool) -> None:
        """Note whether a claim left jobs that are due."""
        self._loads[partition].wants_more_until = time.monotonic() + _WANTS_MORE_S if left_jobs else 0.0

    def free(self, partition: Partition) -> int:
        """The number of jobs that a partition may start now, at least 0."""
        counted = self._counted(partition)
        slow = sum(each.channels.slow_jobs() for each in counted)
        limit = min(self._max_jobs + slow, 2 * self._max_jobs)
        free = limit - sum(self._loads[each].running for each in counted)
        here = self._loads[partition].running
        rivals = sum(1 for each in counted if each is not partition and self._wants_more(each))
        share = max(1, limit // (1 + rivals))
        return max(min(free, share - here), 0 if here else 1)

    def is_busy(self) -> bool:
        """Return whether this process runs at least half as many jobs as it may."""
        return sum(load.running for load in self._loads.values()) >= max(1, self._max_jobs // 2)

    def is_full(self, partition: Partition, channel: str) -> bool:
        """Return whether this process runs as many slow jobs of a channel as it may."""
        return self._slow_jobs(partition, channel) >= self._most_jobs(partition, channel)

    def for_channel(self, partition: Partition, channel: str) -> int:
        """The number of held jobs of a channel that this process has room for."""
        most, runtime = self._most_jobs(partition, channel), partition.channels.of(channel)
        jobs = sum(each.channels.of(channel).jobs() for each in self._counted(partition))
        room = max(0, most - jobs)
        is_limited = bool(runtime.channel.pacer.rate_per_s) or self._slow_jobs(partition, channel) > 0
        if is_limited or self._wants_more(partition):
            return room
        return max(room, _RELEASED // runtime.last_size)

    def _wants_more(self, partition: Partition) -> bool:
        return self._loads[partition].wants_more_until > time.monotonic()

    def _slow_jobs(self, partition: Partition, channel: str) -> int:
        return sum(each.channels.of(channel).slow_jobs() for each in self._counted(partition))

    def _most_jobs(self, partition: Partition, channel: str) -> int:
        """The number of slow jobs of a channel that may run."""
        shared = partition.channels.of(channel).channel
        pacer = shared.pacer
        if pacer.rate_per_s and pacer.far_s():
            return 0
        most = self._max_slow
        if shared.is_slow():  # such channels together must leave the room of `max_jobs` to the others
            slow = sum(each.channels.slow_jobs() for each in self._counted(partition))
            most = min(most, max(1, self._max_jobs - slow + self._slow_jobs(partition, channel)))
        return min(most, _JOBS_AT_LEAST + int(pacer.rate_per_s)) if pacer.rate_per_s else most

    def _counted(self, partition: Partition) -> list[Partition]:
        return [each for each in self._loads if each is partition or not each.recorder.is_behind()]
