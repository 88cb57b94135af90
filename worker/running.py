"""A job that this process runs now."""

from __future__ import annotations

from typing import Any, NamedTuple

from broker.jobs import NotifyJob
from worker.lanes import Lane
from worker.leases import Lease


class Running(NamedTuple):
    """What its sends go by."""

    id: str
    job: NotifyJob
    lease: Lease
    deadline: float
    """Moment of the monotonic clock after which no send begins; what is left then goes into a new job."""

    lane: Lane
    is_probe: bool
    """The channel's breaker is half-open, and this job alone may try."""

    sent: list[dict[str, Any]]
    """What the log is still to tell of each that was sent: it gets many at a time."""

    def may_send(self) -> bool:
        """Whether the channel takes this job's notifications."""
        return self.lane.state == "closed" or (self.is_probe and self.lane.state == "half-open")
