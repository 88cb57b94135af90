"""Removes what Hookline keeps of a person, everywhere in Redis. Every function raises BrokerError.

It may run while workers run, and it may run again. Batches and jobs that a worker is processing are left to that
worker and reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import msgspec

from broker.erasure import append_only_file, held_bodies, history, kept_texts, queued_work
from broker.erasure.queued_work import ErasureResult
from broker.merged import audit as all_audit
from broker.monitoring.audit import AuditEntry
from broker.monitoring.spilled import read_spilled
from broker.namespace.set_aside import read_set_aside
from broker.redis.client import Client
from broker.redis.connection import Settings
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from broker.repartition.run import Orders, read_progress, standing_still
from inspector.operations.erasure import letters
from inspector.operations.erasure.result import ForgetResult
from inspector.operations.export.export import SearchTerms
from inspector.privacy.person import Person

REWRITE_TIMEOUT_S = 600.0
"""Longest wait in seconds for Redis to rewrite its append-only file."""

_PAUSE_S = 0.5
"""Seconds before another pass if workers were processing some of the work."""

_PASSES = 3
"""Most passes over waiting work. A notification may move to a job that the pass has already read."""


async def forget_everywhere(settings: Settings, orders: Orders, person: Person, *, by: str) -> ForgetResult:
    """Remove all data of a person, also data that an interrupted move to other partitions has under way.

    See `forget_person`. Raises RepartitionError if a process moves data now, BrokerError.
    """
    progress = await read_progress(settings)
    begun, _ = progress
    async with standing_still(settings, begun, orders) as partitions:
        done = await forget_person(partitions, person, orders.terms, by=by)
        done.has_moved = await read_progress(settings) != progress
    return done


async def forget_person(
    partitions: Partitions,
    person: Person,
    terms: SearchTerms,
    *,
    by: str,
    rewrite_timeout_s: float = REWRITE_TIMEOUT_S,
) -> ForgetResult:
    """Remove all data of a person, with audit entries that do not name the person.

    Then Redis rewrites its append-only file. This waits at most `rewrite_timeout_s` for it. Partitions that are
    away are in the result; this raises BrokerError if all are.
    """
    await all_audit.record(partitions, AuditEntry(by, "forget", person.masked_names))
    done = ForgetResult(busy=[], unreadable=[], spilled=[], set_aside=[], away={})
    each = _Everywhere(partitions, done)
    await _remove_waiting(each, person, done)
    await _remove_letters(each, person, terms, done)
    # Meanwhile dead letters may have been replayed, and waiting notifications may have become dead letters.
    if await _remove_waiting(each, person, done):
        await _remove_letters(each, person, terms, done)
    done.unreadable = sorted(set(done.unreadable))
    await each.do(lambda redis: letters.repack(redis, person, done))
    await each.do(lambda redis: _remove_from_texts(redis, person, done))
    await each.do(lambda redis: _remove_from_history(redis, person, done))
    counts = {name: str(value) for name, value in msgspec.structs.asdict(done).items() if isinstance(value, int)}
    await all_audit.record(partitions, AuditEntry(by, "forgot", person.masked_names, counts))
    there = [redis for redis in partitions if redis.partition not in done.away]
    rewritten = await append_only_file.rewrite_all(there, timeout_s=rewrite_timeout_s)
    done.append_only_file, done.append_only_reason = rewritten.state, rewritten.reason
    return done


class _Everywhere:
    """Does a step in one partition after the other. A partition that is away is left out from then on."""

    def __init__(self, partitions: Partitions, done: ForgetResult) -> None:
        self._partitions = partitions
        self._away = done.away

    async def do(self, step: Callable[[Client], Awaitable[None]]) -> None:
        """Run `step` in each partition. Raises BrokerError if all are away."""
        for redis in self._partitions:
            if redis.partition not in self._away:
                try:
                    await step(redis)
                except BrokerError as error:
                    self._away[redis.partition] = str(error)
                    if len(self._away) == len(self._partitions):
                        raise


async def _remove_from_texts(redis: Client, person: Person, done: ForgetResult) -> None:
    notes = await kept_texts.notes(redis, lambda note: person.is_in_text(note.text))
    notes += await kept_texts.group_decisions(redis, person)
    actions = await kept_texts.actions(redis, person)
    audit_entries = await kept_texts.audit_entries(redis, person)
    drift, alerts = await kept_texts.drift(redis, person), await kept_texts.alerts(redis, person)
    set_aside, spilled = await read_set_aside(redis), await read_spilled(redis)
    done.notes += notes
    done.actions += actions
    done.audit_entries += audit_entries
    done.drift += drift
    done.alerts += alerts
    done.set_aside += [key.name for key in set_aside]
    done.spilled = sorted({*done.spilled, *(place for place, state in spilled.items() if not state.is_nothing())})


async def _remove_from_history(redis: Client, person: Person, done: ForgetResult) -> None:
    erased = await history.erase(redis, person.search_terms, person)
    done.history += erased.events
    done.redacted += erased.redacted
    done.unreadable += erased.unreadable


async def _remove_waiting(each: _Everywhere, person: Person, done: ForgetResult) -> bool:
    """Remove the person from the queue, digests and jobs. Returns whether there was anything."""
    # In the order in which work moves, also between partitions, so that what a worker moves on meanwhile is
    # found in a later step.
    first = (done.webhooks, done.digested, done.notifications)
    for number in range(_PASSES):
        if number and done.busy:
            await asyncio.sleep(_PAUSE_S)
        done.busy, before = [], (done.webhooks, done.digested, done.notifications)
        for step in (_remove_webhooks, _remove_digested, _remove_notifications):
            await each.do(partial(step, person=person, done=done))
        if before == (done.webhooks, done.digested, done.notifications) and not done.busy:
            break
    return bool(done.busy) or first != (done.webhooks, done.digested, done.notifications)


async def _remove_webhooks(redis: Client, person: Person, done: ForgetResult) -> None:
    for results in (queued_work.webhooks(redis, person), held_bodies.held(redis, person)):
        async for removed in _removed(results, redis, "batch", done):
            done.webhooks += removed


async def _remove_digested(redis: Client, person: Person, done: ForgetResult) -> None:
    async for removed in _removed(queued_work.gathered(redis, person), redis, "digest", done):
        done.digested += removed


async def _remove_notifications(redis: Client, person: Person, done: ForgetResult) -> None:
    async for removed in _removed(queued_work.notifications(redis, person), redis, "job", done):
        done.notifications += removed


async def _removed(
    results: AsyncIterator[ErasureResult], redis: Client, what: str, done: ForgetResult
) -> AsyncIterator[int]:
    """Yield how many were removed in each step, and add what else happened to `done`."""
    place = f" of partition {redis.partition}" if redis.partitions > 1 else ""
    async for result in results:
        yield result.removed
        done.redacted += result.redacted
        if result.outcome == "busy":
            done.busy.append(f"{what} {result.name}{place}")
        elif result.outcome == "unreadable":
            done.unreadable.append(f"{what} {result.name}{place}")


async def _remove_letters(each: _Everywhere, person: Person, terms: SearchTerms, done: ForgetResult) -> None:
    """Remove the person from all dead letters."""
    done.unknown = 0
    await each.do(lambda redis: letters.remove_letters(redis, person, terms, done))
