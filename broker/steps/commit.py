"""The one step that turns entries into jobs, marks and dead letters."""

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
    """Where an event's notifications lie: `count` of them from index `first` in job number `job` (starts at 1)."""

    job: int
    first: int
    count: int


class NewEvent(Struct, frozen=True, array_like=True):
    """One decoded body: its notifications count only if its identity was not seen before."""

    mark: Mark
    shares: list[Share]


class Processed(Struct, frozen=True):
    """What became of one entry."""

    entry_id: str
    bodies: int
    events: list[NewEvent]
    stored_letters: list[StoredDeadLetter]
    parts: Sequence[Part] = ()
    """What new events add to digests."""


class Committed(Struct, frozen=True):
    """What a commit changed; all 0 where every entry had been committed before."""

    processed: int
    duplicate: int
    dead_at_intake: int
    waiting: int
    """Notifications that wait now, these included."""

    retried_on_redelivery: int
    """Of those processed, events that were seen before and of which notifications lay dead: these come back."""


async def commit(redis: Client, entries: Sequence[Processed], new_jobs: Sequence[NotifyJob]) -> Committed:
    """All or nothing: marks, jobs, dead letters, acknowledgement and counters.

    Safe to repeat: an entry that was committed before, by whomever, is passed over. Raises BrokerError.
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
