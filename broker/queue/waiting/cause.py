"""The causes for which notifications wait.

The id of a job says what the job waits for (`0abc...xyz.r.64` is a retry of 64 notifications), so that counting by
cause reads no job. Earlier versions read only the number at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct

Deferral = Literal["retry", "quiet_hours", "rate_limit", "sent_now"]
"""Why a job was put off. `rate_limit`: its channel had no slot in time, because of its rate limit or because it is
slow. `sent_now`: a person moved it to the front, and quiet hours do not apply to its next attempt."""

Cause = Literal["queued", "retry", "quiet_hours", "rate_limit", "paused", "open", "digest"]
"""The cause for which a notification waits.

queued: it is due, or is being sent. rate_limit: its channel works, and takes no more at the moment. paused, open:
its channel is paused, or has an open circuit breaker. digest: the end of a window.
"""

CAUSES: tuple[Cause, ...] = get_args(Cause)


class Causes(Struct, frozen=True):
    """Numbers of waiting notifications by what they wait for: see `Cause`."""

    queued: int = 0
    retry: int = 0
    quiet_hours: int = 0
    rate_limit: int = 0
    paused: int = 0
    open: int = 0
    digest: int = 0
    retries_overdue: int = 0
    """How many of those that wait for a retry are due, and wait for a worker."""

    next_retry_ms: int | None = None
    """The time until the next retry that is not due yet; None without one."""

    def total(self) -> int:
        """Return the number of all waiting notifications."""
        return sum(getattr(self, cause) for cause in CAUSES)


_MARKS: Mapping[Deferral, str] = {"retry": "r", "quiet_hours": "q", "rate_limit": "l", "sent_now": "n"}
_DEFERRALS: Mapping[str, Deferral] = {mark: deferral for deferral, mark in _MARKS.items()}
_CAUSES: Mapping[Deferral | None, Cause] = {
    "retry": "retry",
    "quiet_hours": "quiet_hours",
    "rate_limit": "rate_limit",
}


def with_mark(job_id: str, size: int, waits_for: Deferral | None) -> str:
    """Return the id of a job: a unique part, the mark of what it waits for, and its number of notifications."""
    return f"{job_id}.{_MARKS[waits_for]}.{size}" if waits_for else f"{job_id}.{size}"


def deferral_of(job_id: str) -> Deferral | None:
    """Return what a job waits for by its id; None for a job that was never put off."""
    _, _, rest = job_id.partition(".")
    mark, dot, _ = rest.partition(".")
    return _DEFERRALS.get(mark) if dot else None


def cause_of(job_id: str) -> Cause:
    """Return the cause for which a job in the queue waits, by its id."""
    return _CAUSES.get(deferral_of(job_id), "queued")
