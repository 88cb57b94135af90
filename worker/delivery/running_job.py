"""A job that this process runs now."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec import Struct

from broker.queue.jobs import Notification, NotifyJob
from broker.queue.latest_only import SubjectLock
from worker.delivery.capacity.channel_runtime import ChannelRuntime
from worker.delivery.job_leases import Lease
from worker.delivery.partition import Partition


class Unfinished(Struct, frozen=True):
    """Some notifications of a job are still open: the job has to be given back."""

    delay_ms: int = 0
    """Milliseconds until the job may run again."""


class AskedLock(NamedTuple):
    """A lock that one notification asked for together with its own, for one that is sent after it."""

    answer: asyncio.Future[str]
    until: float
    """Time of the monotonic clock after which the notification has to ask itself."""


class JobSubjects:
    """The subjects of a job's notifications with `latest_only`, during one run."""

    def __init__(self) -> None:
        self.locks: dict[int, SubjectLock | None] = {}
        """The lock that each notification needs, by its index and in the order of sending; None without one."""

        self.newest: dict[str, int] = {}
        """The time of the newest event sent in this run, by subject."""

        self.acquiring: dict[str, asyncio.Lock] = {}
        """By subject, held while a notification asks for its lock. A subject is here once one has asked."""

        self.asked: dict[int, AskedLock] = {}
        """The locks that were asked for and not used yet, by the index of their notification."""


class RunningJob(NamedTuple):
    """The state that the sends of one run of a job share."""

    id: str
    partition: Partition
    """The partition in which the job was claimed."""

    job: NotifyJob
    lease: Lease
    deadline: float
    """Time of the monotonic clock after which no send begins; the notifications left go into a new job."""

    runtime: ChannelRuntime
    is_probe: bool
    """The channel's breaker is half-open, and only this job may attempt sends."""

    sent: list[tuple[Notification, int]]
    """Notifications that were sent and not logged yet, each with its duration in ms. They are logged in groups."""

    locks: dict[str, SubjectLock]
    """For rules with `latest_only`: the locks held in the job's own partition, by the notification's key."""

    locks_elsewhere: dict[str, SubjectLock]
    """For rules with `latest_only`: the locks held in other partitions, by the notification's key."""

    subjects: JobSubjects
    """For rules with `latest_only`: the subjects of the notifications."""

    def may_send(self) -> bool:
        """Return whether the channel accepts this job's notifications now."""
        runtime = self.runtime
        if runtime.state == "closed":
            return not runtime.is_failing()  # its failures are being recorded, which may open the breaker
        return self.is_probe and runtime.state == "half-open"
