"""The steps in which the data moves. Each is done for each old partition, and may be repeated after a crash."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from broker.redis.client import Client
from broker.repartition import copies, dedupe_sets, digests, letters, records, state, subjects, waiting_work
from broker.repartition.plan import Plan

_ENTRY_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")


async def move_all(plan: Plan) -> None:
    """Do all steps that are not done yet. Raises BrokerError, NotMovingError."""
    for name, step in _STEPS.items():
        for source in plan.old:
            mark = f"{name}:{source.partition}"
            if not await state.is_done(plan.new.control, mark):
                await step(plan, source)
                await state.note_done(plan.new.control, mark)


async def deliver_all(plan: Plan) -> None:
    """Let everything arrive that has left its old home. Safe to repeat. Raises BrokerError, NotMovingError."""
    for source in plan.old:
        await waiting_work.deliver(plan, source)
        await digests.deliver(plan, source)
        await letters.deliver(plan, source)
        await records.deliver_audit(plan, source)


async def _copy_markers(plan: Plan, source: Client) -> None:
    """Let the batches that were processed in part be finished by workers with the new number."""
    for batch in sorted(await copies.copy_markers(plan, source)):
        partition, _, entry = batch.partition("/")
        if _ENTRY_ID.fullmatch(entry) and partition.isdecimal() and int(partition) < len(plan.old):
            await waiting_work.mark_origin(plan, plan.old[int(partition)], entry)


async def _empty(plan: Plan, source: Client) -> None:
    """Move everything out of a partition that will be removed."""
    if not plan.is_removed(source):
        return
    # A running job may leave a dead letter or another job, and a person may replay a letter.
    while True:
        await letters.move(plan, source)
        if not await waiting_work.move_jobs(plan, source) + await waiting_work.move_entries(plan, source):
            break
    await records.copy_unreported(plan, source)
    await records.copy_sources(plan, source)
    await records.move_audit(plan, source)
    await records.move_counters(plan, source)


# Subjects may wait for locks, so they come late. Pauses come last: until then people pause the old partitions.
_STEPS: Mapping[str, Callable[[Plan, Client], Awaitable[None]]] = {
    "markers": _copy_markers,
    "held bodies": waiting_work.release_bodies,
    "dedupe sets": dedupe_sets.move,
    "digests": digests.move,
    "dead letters": letters.move,
    "groups": copies.copy_groups,
    "removed": _empty,
    "subjects": subjects.move,
    "pauses": copies.copy_pauses,
}
