"""A job that this process runs now."""

from __future__ import annotations

from typing import NamedTuple

from broker.queue.jobs import Notification, NotifyJob
from broker.queue.latest_only import SubjectLock
from worker.delivery.channel_runtime import ChannelRuntime
from worker.delivery.job_leases import Lease


class RunningJob(NamedTuple):
    """What its sends go by."""

    id: str
    job: NotifyJob
    lease: Lease
    deadline: float
    """Moment of the monotonic clock after which no send begins; what is left then goes into a new job."""

    runtime: ChannelRuntime
    is_probe: bool
    """The channel's breaker is half-open, and this job alone may try."""

    sent: list[tuple[Notification, int]]
    """What was sent and the log is still to tell of, which gets many at a time; each with the ms that it took."""

    locks: dict[str, SubjectLock]
    """Those that were taken and not ended, by the notification's key: for rules with `latest_only`."""

    newest: dict[str, int]
    """The own time of the newest event that was sent of each subject of these, in this run."""

    def may_send(self) -> bool:
        """Whether the channel takes this job's notifications."""
        runtime = self.runtime
        if runtime.state == "closed":
            return not runtime.is_failing()  # what these failures mean is being told, and known in a moment
        return self.is_probe and runtime.state == "half-open"
