"""The commit: one step that turns stream entries into jobs, dedupe marks and dead letters."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from broker.dead_letters import StoredDeadLetter, packed
from broker.queue import jobs
from broker.queue.dedupe import Mark
from broker.queue.jobs import NotifyJob, due_now
from broker.redis import clock, scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripts import Blobs
from broker.steps import digests
from broker.steps.digests import Gathered, Part

_encode = msgspec.msgpack.Encoder().encode


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


async def commit(redis: Client, entries: Sequence[Processed], new_jobs: Sequence[NotifyJob]) -> Committed:
    """Write marks, jobs, dead letters and counters, and acknowledge the entries, all or nothing.

    Safe to repeat: an entry that this or another worker has committed before is skipped. Raises BrokerError.
    """
    blobs, now_ms = Blobs(), await clock.now_ms(redis)
    planned = []
    for entry in entries:
        letters = [packed(stored_letter, blobs.place, now_ms=now_ms) for stored_letter in entry.stored_letters]
        parts = [
            (part.event + 1, part.digest, blobs.place(digests.packed(part.gathered)), *_window(part.gathered))
            for part in entry.parts
        ]
        planned.append((entry.entry_id, entry.bodies, entry.events, letters, parts))
    ids = [
        (jobs.new_job_id(len(job.notifications)), blobs.place(jobs.encode(due_now(job, now_ms))))
        for job in new_jobs
    ]
    with translated():
        found = await scripts.COMMIT(redis, _encode((planned, ids)), *blobs.all)
    return Committed(*found)


def _window(gathered: Gathered) -> tuple[int, int]:
    return gathered.window_ms, len(gathered.channels)
