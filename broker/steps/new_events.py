"""The part of a commit that processes events where they are at home: dedupe and jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from broker.dead_letters.packing import FINDING
from broker.queue import jobs
from broker.queue.dedupe import Mark
from broker.queue.jobs import NotifyJob, due_now
from broker.queue.parts import JOBS
from broker.redis.scripting.scripts import BASE, Blobs, Part


class Share(Struct, frozen=True, array_like=True):
    """The notifications of an event in one job: `count` of them, from index `first` on (starts at 0).

    job: the number of the job in the commit (starts at 1).
    """

    job: int
    first: int
    count: int


class NewEvent(Struct, frozen=True, array_like=True):
    """A decoded body. Its notifications are created only if its identity was not seen before."""

    mark: Mark
    shares: list[Share]


class QueuedJob(NamedTuple):
    """A new job as the scripts get it."""

    id: str
    blob: int


LAYOUT = Part("steps/layout", parts=(BASE,), keys=("layout",))
DEAD_FOR_RETRY = Part("steps/dead_for_retry", parts=(BASE, FINDING), keys=("dead_to_retry",))
NEW_EVENTS = Part(
    "steps/new_events",
    parts=(BASE, JOBS, DEAD_FOR_RETRY),
    keys=("queue", "dead_index"),
    records={"EVENT": NewEvent, "MARK": Mark, "SHARE": Share, "JOB": QueuedJob},
)


def queued_jobs(new_jobs: Sequence[NotifyJob], blobs: Blobs, now_ms: int) -> list[QueuedJob]:
    """Return new jobs as the scripts get them, each with a new id. They are due at `now_ms`."""
    return [
        QueuedJob(jobs.new_job_id(len(job.notifications)), blobs.place(jobs.encode(due_now(job, now_ms))))
        for job in new_jobs
    ]
