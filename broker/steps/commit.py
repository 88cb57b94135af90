"""The commit: one step that turns stream entries into jobs, dedupe marks and dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from broker.dead_letters import StoredDeadLetter, packed
from broker.dead_letters.packing import ADDING, PackedLetter
from broker.queue import jobs
from broker.queue.dedupe import Mark
from broker.queue.jobs import NotifyJob, due_now
from broker.queue.parts import JOBS
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script
from broker.steps import digests
from broker.steps.digests import Part, QueuedJob


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


class Processed(Struct, frozen=True):
    """The results of processing one stream entry."""

    entry_id: str
    bodies: int
    events: list[NewEvent]
    stored_letters: list[StoredDeadLetter]
    parts: Sequence[Part] = ()
    """The events that go into digests, if they are new."""


class Committed(Struct, frozen=True):
    """The counts of a commit; all 0 if every entry had been committed before."""

    processed: int
    duplicate: int
    dead_at_intake: int
    waiting: int
    """How many notifications wait now, including the new ones."""

    retried_on_redelivery: int
    """How many of the processed events were seen before, but had dead notifications, which are retried."""

    digested: int = 0
    """How many events were added to digests."""


class PlannedPart(NamedTuple):
    """A `Part` as the script gets it."""

    event: int
    """Number of the event in its entry (starts at 1)."""

    digest: str
    blob: int
    window_ms: int
    channels: int
    """How many channels the digest is sent to."""


class PlannedEntry(NamedTuple):
    """A `Processed` as the script gets it."""

    id: str
    bodies: int
    events: list[NewEvent]
    letters: list[PackedLetter]
    parts: list[PlannedPart]


COMMIT = Script(
    "steps/commit",
    parts=(FULL, COUNTERS, JOBS, ADDING),
    keys=("stream", "queue", "digests", "digests_counted", "dead_index", "dead_to_retry", "stats_total"),
    args=("entries: packed", "jobs: packed"),
    rest="blobs",
    records={
        "ENTRY": PlannedEntry,
        "EVENT": NewEvent,
        "MARK": Mark,
        "SHARE": Share,
        "PART": PlannedPart,
        "JOB": QueuedJob,
    },
)


async def commit(redis: Client, entries: Sequence[Processed], new_jobs: Sequence[NotifyJob]) -> Committed:
    """Write marks, jobs, dead letters and counters, and acknowledge the entries, all or nothing.

    Safe to repeat: an entry that this or another worker has committed before is skipped. Raises BrokerError.
    """
    blobs, now_ms = Blobs(), await clock.now_ms(redis)
    planned = []
    for entry in entries:
        letters = [packed(stored_letter, blobs.place, now_ms=now_ms) for stored_letter in entry.stored_letters]
        parts = [_planned_part(part, blobs) for part in entry.parts]
        planned.append(PlannedEntry(entry.entry_id, entry.bodies, entry.events, letters, parts))
    queued = [
        QueuedJob(jobs.new_job_id(len(job.notifications)), blobs.place(jobs.encode(due_now(job, now_ms))))
        for job in new_jobs
    ]
    with translated():
        counts = await COMMIT(redis, entries=planned, jobs=queued, blobs=blobs.all)
    return Committed(*counts)


def _planned_part(part: Part, blobs: Blobs) -> PlannedPart:
    gathered = part.gathered
    place = blobs.place(digests.packed(gathered))
    return PlannedPart(part.event + 1, part.digest, place, gathered.window_ms, len(gathered.channels))
