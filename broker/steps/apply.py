"""The steps of a commit in other partitions than that of the batch: see docs/architecture.md, "Partitions"."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from msgspec import Struct

from broker.history.records import RECORDING, EventRow
from broker.history.tail_blocks import place_events
from broker.queue.jobs import NotifyJob
from broker.queue.parts import WAKE
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmed
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script
from broker.steps.digest_packs import GATHERING, Packs, PlannedPart
from broker.steps.digests import Part
from broker.steps.new_events import (
    DEAD_FOR_RETRY,
    LAYOUT,
    NEW_EVENTS,
    NewEvent,
    queued_jobs,
)


class AppliedBatch(Struct, frozen=True):
    """The events of a batch that are at home in one partition, and that this step processes there."""

    id: str
    """The partition of the batch and its entry there, for example `3/1700000000000-0`."""

    events: Sequence[NewEvent]
    places: Sequence[int]
    """The place of each event's body in the batch (starts at 0)."""

    parts: Sequence[Part] = ()
    """The events that go into digests of the same partition, if they are new."""

    records: Sequence[EventRow] = ()
    """For the history: a row for each event; empty without a history."""


class PlannedBatch(NamedTuple):
    """An `AppliedBatch` as the script gets it."""

    id: str
    events: Sequence[NewEvent]
    places: Sequence[int]
    parts: list[PlannedPart]


class Applied(Struct, frozen=True):
    """The results of the step in one partition."""

    processed: int
    duplicate: int
    waiting: int
    retried_on_redelivery: int
    digested: int
    new: list[list[bool]]
    """For each batch, True for each event that is new. It is the same when the step is repeated."""


class GatheredEvent(Struct, frozen=True):
    """An event that goes into a digest which is at home in another partition than the event."""

    batch_id: str
    place: int
    """The place of the event's body in the batch (starts at 0)."""

    part: Part


APPLY = Script(
    "steps/apply",
    parts=(FULL, COUNTERS, LAYOUT, NEW_EVENTS, GATHERING, WAKE, RECORDING),
    keys=("queue",),
    args=(
        "partitions",
        "history: number",
        "batches: packed",
        "packs: packed",
        "jobs: packed",
        "committed: packed",
    ),
    rest="blobs",
    records={"BATCH": PlannedBatch},
)
_GATHER = Script(
    "steps/gather",
    parts=(FULL, COUNTERS, LAYOUT, GATHERING, WAKE),
    keys=("digests_ends",),
    args=("partitions", "rows: packed", "packs: packed"),
    rest="blobs",
)


_RETRY_REDELIVERED = Script(
    "steps/retry_redelivered",
    parts=(FULL, COUNTERS, LAYOUT, DEAD_FOR_RETRY, WAKE),
    keys=("dead_index",),
    args=("partitions",),
    rest="members",
)


async def apply(
    redis: Client,
    batches: Sequence[AppliedBatch],
    new_jobs: Sequence[NotifyJob],
    *,
    committed: Sequence[str] = (),
    confirmation: Confirmation = Confirmation(),  # noqa: B008 - frozen
) -> Applied:
    """Process events of another partition's batches in the partition where they are at home.

    committed: ids of batches whose markers are not needed for long any more. confirmation: how Redis confirms the
    step before the batch may be removed elsewhere. Safe to repeat. Raises BrokerError, WrongLayout, and NotDurable
    for a step that was done and not confirmed.
    """
    blobs, packs, now_ms = Blobs(), Packs(), await clock.now_ms(redis)
    planned = [
        PlannedBatch(batch.id, batch.events, batch.places, [packs.add(part) for part in batch.parts])
        for batch in batches
    ]
    queued = queued_jobs(new_jobs, blobs, now_ms)
    history = place_events([*chain.from_iterable(batch.records for batch in batches)], blobs)
    with translated():
        processed, duplicate, waiting, retried, digested, answers = await confirmed(
            redis,
            confirmation,
            APPLY,
            partitions=redis.layout,
            history=history,
            batches=planned,
            packs=packs.planned(blobs),
            jobs=queued,
            committed=committed,
            blobs=blobs.all,
        )
    new = [[sign == ord("1") for sign in answer] for answer in answers]
    return Applied(processed, duplicate, waiting, retried, digested, new)


async def gather(
    redis: Client,
    events: Sequence[GatheredEvent],
    *,
    confirmation: Confirmation = Confirmation(),  # noqa: B008 - frozen
) -> int:
    """Add events to digests that are at home in this partition. Returns how many were not added before.

    confirmation: see `apply`. Safe to repeat. Raises BrokerError, WrongLayout.
    """
    blobs, packs = Blobs(), Packs()
    rows = [(event.batch_id, event.place, packs.add(event.part)) for event in events]
    with translated():
        return int(
            await confirmed(
                redis,
                confirmation,
                _GATHER,
                partitions=redis.layout,
                rows=rows,
                packs=packs.planned(blobs),
                blobs=blobs.all,
            )
        )


async def retry_redelivered(redis: Client, members: Sequence[str]) -> int:
    """Mark dead digests of this partition to be retried, because some of their events were delivered again.

    members: the identities of the events, which are at home in other partitions. Returns for how many of them a
    dead letter was marked. Safe to repeat. Raises BrokerError, WrongLayout.
    """
    # Nothing confirms this step: a failover that undoes it leaves a dead letter, and loses nothing.
    with translated():
        return int(await _RETRY_REDELIVERED(redis, partitions=redis.layout, members=members))
