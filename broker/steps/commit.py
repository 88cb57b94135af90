"""The commit: one step that turns stream entries into jobs, dedupe marks and dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from msgspec import Struct, structs

from broker.dead_letters import StoredDeadLetter, packed
from broker.dead_letters.packing import ADDING, PackedLetter
from broker.history.records import RECORDING, EventRow
from broker.history.tail_blocks import place_events
from broker.queue import held_bodies
from broker.queue.claims import NO_CLAIMANT, STARTS_KEPT_S, Claimant, Claimed, Claims
from broker.queue.held_bodies import HeldBodies
from broker.queue.jobs import NotifyJob
from broker.queue.parts import NEXT_DUE
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script
from broker.steps.digest_packs import GATHERING, Packs, PlannedPart
from broker.steps.digests import Part
from broker.steps.new_events import (
    LAYOUT,
    NEW_EVENTS,
    NewEvent,
    Share,
    queued_jobs,
)

__all__ = ["COMMIT", "Committed", "NewEvent", "Processed", "Share", "commit"]


class Processed(Struct, frozen=True):
    """The results of processing one stream entry, as far as they belong into the partition of the entry."""

    entry_id: str
    bodies: int
    """The number of bodies that this commit processes: those of `events`, and of `stored_letters`."""

    events: list[NewEvent]
    stored_letters: list[StoredDeadLetter]
    parts: Sequence[Part] = ()
    """The events that go into digests, if they are new."""

    held: Sequence[HeldBodies] = ()
    """The bodies that wait for partitions that are away."""

    records: Sequence[EventRow] = ()
    """For the history: a row for each of `events`, and then for each of the letters; empty without a history."""


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

    acknowledged: int = 0
    """How many entries this commit removed; the others had been committed before."""

    claims: Claims = Claims([], None, 0)
    """The new jobs that the worker starts. `next_job_s` is 0 if there are others."""


class PlannedHeld(NamedTuple):
    """A `HeldBodies` as the script gets it."""

    home: int
    blob: int


class PlannedEntry(NamedTuple):
    """A `Processed` as the script gets it."""

    id: str
    bodies: int
    events: list[NewEvent]
    letters: list[PackedLetter]
    parts: list[PlannedPart]
    held: list[PlannedHeld]


COMMIT = Script(
    "steps/commit",
    parts=(FULL, COUNTERS, LAYOUT, NEW_EVENTS, NEXT_DUE, GATHERING, ADDING, RECORDING),
    keys=("stream", "queue", "channels"),
    args=(
        "partitions",
        "history: number",
        "entries: packed",
        "packs: packed",
        "jobs: packed",
        "owner",
        "lease_ms: number",
        "most: number",
        "starts_kept_s: number",
    ),
    rest="blobs",
    records={"ENTRY": PlannedEntry, "HELD": PlannedHeld},
)


async def commit(
    redis: Client,
    entries: Sequence[Processed],
    new_jobs: Sequence[NotifyJob],
    claimant: Claimant = NO_CLAIMANT,
) -> Committed:
    """Write marks, jobs, dead letters and counters, and acknowledge the entries, all or nothing.

    claimant: the worker that starts new jobs immediately, unless other jobs are due; defaults to none.
    Safe to repeat: an entry that this or another worker has committed before is skipped. Raises BrokerError, and
    WrongLayout where Redis has another number of partitions than the config.
    """
    blobs, packs, now_ms = Blobs(), Packs(), await clock.now_ms(redis)
    planned = []
    for entry in entries:
        letters = [packed(stored_letter, blobs.place, now_ms=now_ms) for stored_letter in entry.stored_letters]
        parts = [packs.add(part) for part in entry.parts]
        held = [PlannedHeld(bodies.home, blobs.place(held_bodies.packed(bodies))) for bodies in entry.held]
        planned.append(PlannedEntry(entry.entry_id, entry.bodies, entry.events, letters, parts, held))
    queued = queued_jobs(new_jobs, blobs, now_ms)
    history = place_events([*chain.from_iterable(entry.records for entry in entries)], blobs)
    with translated():
        counts, started, left, channels = await COMMIT(
            redis,
            partitions=redis.layout,
            history=history,
            entries=planned,
            packs=packs.planned(blobs),
            jobs=queued,
            blobs=blobs.all,
            starts_kept_s=STARTS_KEPT_S,
            **claimant._asdict(),
        )
    claimed = [
        Claimed(queued[number - 1].id, blobs.all[queued[number - 1].blob - 1], 1, 0, frozenset(done))
        for number, done in started
    ]
    return structs.replace(Committed(*counts), claims=Claims(claimed, 0.0 if left else None, channels))
