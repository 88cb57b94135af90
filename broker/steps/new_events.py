"""The part of a commit that processes events where they are at home: dedupe, jobs and digests."""

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
from broker.steps import digests
from broker.steps.digests import Part as DigestPart
from broker.steps.digests import QueuedJob


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


class PlannedPart(NamedTuple):
    """A `digests.Part` as the scripts get it."""

    event: int
    """Number of the event in its entry (starts at 1)."""

    digest: str
    blob: int
    window_ms: int
    channels: int
    """How many channels the digest is sent to."""

    number: int
    """The place of the digest among those that the event joins: see `digests.Part`."""


LAYOUT = Part("steps/layout", parts=(BASE,), keys=("layout",))
GATHERING = Part(
    "steps/gathering", parts=(BASE,), keys=("digests", "digests_counted"), records={"PART": PlannedPart}
)
DEAD_FOR_RETRY = Part("steps/dead_for_retry", parts=(BASE, FINDING), keys=("dead_to_retry",))
NEW_EVENTS = Part(
    "steps/new_events",
    parts=(BASE, JOBS, DEAD_FOR_RETRY),
    keys=("queue", "dead_index"),
    records={"EVENT": NewEvent, "MARK": Mark, "SHARE": Share, "JOB": QueuedJob},
)


def planned_part(part: DigestPart, blobs: Blobs) -> PlannedPart:
    """Return what an event adds to a digest as the scripts get it."""
    gathered = part.gathered
    place = blobs.place(digests.packed(gathered))
    return PlannedPart(part.event + 1, part.digest, place, gathered.window_ms, len(gathered.channels), part.number)


def queued_jobs(new_jobs: Sequence[NotifyJob], blobs: Blobs, now_ms: int) -> list[QueuedJob]:
    """Return new jobs as the scripts get them, each with a new id. They are due at `now_ms`."""
    return [
        QueuedJob(jobs.new_job_id(len(job.notifications)), blobs.place(jobs.encode(due_now(job, now_ms))))
        for job in new_jobs
    ]
