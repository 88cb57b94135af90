"""Removing what Hookline keeps of a person, everywhere in Redis that it lies. All raise BrokerError.

It may run while workers do, and again: what a worker has just then is left to it and told of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from msgspec import Struct, structs

from broker import dead_letters
from broker.dead_letters import NEWEST, DeadLetter, DeadLetterRow, StoredDeadLetter
from broker.dead_letters.replay import body_of
from broker.erasure import append_only_file, kept_texts, queued_work
from broker.erasure.queued_work import ErasureResult
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.monitoring.spilled import read_spilled
from broker.namespace.set_aside import read_set_aside
from broker.redis.client import Client
from inspector.operations.bulk_actions import AT_A_TIME
from inspector.operations.export import Terms
from inspector.operations.search import Filter, walk
from inspector.privacy.person import Person

REWRITE_TIMEOUT_S = 600.0
_PAUSE_S = 0.5
"""After a pass that workers were in the way of."""

_PASSES = 3
"""Over what waits: a notification may move on to a job that a pass came by before."""


class Forgotten(Struct, kw_only=True):
    """What was removed where, and what was not."""

    letters: int = 0
    webhooks: int = 0
    notifications: int = 0
    digested: int = 0
    """Events that waited in digests, or lay dead in one with events of others."""

    notes: int = 0
    """Notes on dead letters of others."""

    actions: int = 0
    """Actions whose filter, note or errors named the person."""

    redacted: int = 0
    """Dead letters, webhooks, events and notifications of others whose errors, answers, headers or name did."""

    audit_entries: int = 0
    drift: int = 0
    """Deviations."""

    alerts: int = 0

    repacked: int = 0
    """Dead letters of others that were packed against one of the person's."""

    busy: list[str] = []
    """Batches and jobs that a worker has just now."""

    unreadable: list[str] = []
    """What nobody can read, and the person is in it: batches, jobs, digests and dead letters."""

    unknown: int = 0
    """Dead letters that this version cannot read: whether the person is in them is not known."""

    spilled: list[str] = []
    """Where receivers keep webhooks on disk, as host:directory."""

    set_aside: list[str] = []
    """Keys that hold what Hookline did not write: see broker/namespace/set_aside.py."""

    append_only_file: append_only_file.RewriteState = "off"
    append_only_reason: str = ""
    """Why the file could not be rewritten."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left that running it again, or a look at those places, would remove."""
        left = self.busy or self.unreadable or self.unknown or self.spilled or self.repacked or self.set_aside
        return not left and self.append_only_file != "failed"


async def remove(
    redis: Client, person: Person, terms: Terms, *, by: str, rewrite_timeout_s: float = REWRITE_TIMEOUT_S
) -> Forgotten:
    """Remove all there is of a person. The audit log has it, without the name.

    Then Redis rewrites its append-only file, which is waited for no longer than rewrite_timeout_s.
    """
    await audit.record(redis, AuditEntry(by, "forget", person.told))
    done = Forgotten(busy=[], unreadable=[], spilled=[], set_aside=[])
    await _remove_waiting(redis, person, done)
    await _remove_letters(redis, person, terms, done)
    if await _remove_waiting(redis, person, done):  # letters were replayed, or notifications died meanwhile
        await _remove_letters(redis, person, terms, done)
    done.unreadable = sorted(set(done.unreadable))
    await _repack(redis, person, done)
    done.notes = await kept_texts.notes(redis, lambda note: person.is_in_text(note.text))
    done.actions = await kept_texts.actions(redis, person)
    done.audit_entries = await kept_texts.audit_entries(redis, person)
    done.drift = await kept_texts.drift(redis, person)
    done.alerts = await kept_texts.alerts(redis, person)
    done.set_aside = [found.name for found in await read_set_aside(redis)]
    done.spilled = sorted(place for place, seen in (await read_spilled(redis)).items() if not seen.is_nothing())
    counts = {name: str(value) for name, value in msgspec.structs.asdict(done).items() if isinstance(value, int)}
    await audit.record(redis, AuditEntry(by, "forgot", person.told, counts))
    rewritten = await append_only_file.rewrite(redis, timeout_s=rewrite_timeout_s)
    done.append_only_file, done.append_only_reason = rewritten.state, rewritten.reason
    return done


async def _remove_waiting(redis: Client, person: Person, done: Forgotten) -> bool:
    """In the order in which it moves on: what a worker takes on meanwhile is met further down. Whether any was."""
    first = (done.webhooks, done.digested, done.notifications)
    for number in range(_PASSES):
        if number and done.busy:
            await asyncio.sleep(_PAUSE_S)
        done.busy, before = [], (done.webhooks, done.digested, done.notifications)
        found = queued_work.webhooks(redis, person)
        done.webhooks += await _noted(found, "batch", done)
        found = queued_work.gathered(redis, person)
        done.digested += await _noted(found, "digest", done)
        found = queued_work.notifications(redis, person)
        done.notifications += await _noted(found, "job", done)
        if before == (done.webhooks, done.digested, done.notifications) and not done.busy:
            break
    return bool(done.busy) or first != (done.webhooks, done.digested, done.notifications)


async def _noted(found: AsyncIterator[ErasureResult], what: str, done: Forgotten) -> int:
    removed = 0
    async for one in found:
        removed += one.removed
        done.redacted += one.redacted
        if one.outcome == "busy":
            done.busy.append(f"{what} {one.name}")
        elif one.outcome == "unreadable":
            done.unreadable.append(f"{what} {one.name}")
    return removed


async def _remove_letters(redis: Client, person: Person, terms: Terms, done: Forgotten) -> None:
    """Every letter is looked at: what it is found by are only its most telling terms."""
    done.unknown = 0
    async for ids in _all(redis):
        stored_letters = [
            stored_letter for stored_letter in await dead_letters.stored_letters(redis, ids) if stored_letter
        ]
        theirs = [
            stored_letter.letter
            for stored_letter in stored_letters
            if await _is_to_go(redis, stored_letter, person, terms, done)
        ]
        if theirs:
            done.letters += await dead_letters.discard(redis, theirs, counter="forgotten")


async def _is_to_go(
    redis: Client, stored_letter: StoredDeadLetter, person: Person, terms: Terms, done: Forgotten
) -> bool:
    """Whether all of it is of the person; one of others is redacted where it names the person."""
    letter = stored_letter.letter
    if letter.is_unreadable:
        done.unknown += 1
        return False
    if letter.reason == "unreadable":
        if person.is_in(queued_work.unpacked(stored_letter.body)):
            done.unreadable.append(f"dead letter {letter.id}")
        return False
    if not letter.digest and person.owns(body_of(stored_letter)):
        return True
    return _without(stored_letter, person)[0] != stored_letter and await _is_rewritten_to_go(
        redis, letter.id, person, terms, done
    )


async def _is_rewritten_to_go(
    redis: Client, letter_id: str, person: Person, terms: Terms, done: Forgotten
) -> bool:
    """Write a letter anew without the person, or say that nothing would be left of it.

    Where another process was quicker, it is looked at again: that one has made progress.
    """
    while True:
        seen = await queued_work.seen(redis, [letter_id])
        stored_letter = await dead_letters.get(redis, letter_id)
        if stored_letter is None or letter_id not in seen or stored_letter.letter.is_unreadable:
            return False
        rest, gone = _without(stored_letter, person)
        if gone and not rest.body:
            return True
        if rest == stored_letter:
            return False
        if await queued_work.replace_dead_letter(
            redis, StoredDeadLetter(rest.letter, rest.body, tuple(terms(rest))), seen[letter_id]
        ):
            done.digested += gone
            done.redacted += rest.letter != stored_letter.letter
            return False


def _without(stored_letter: StoredDeadLetter, person: Person) -> tuple[StoredDeadLetter, int]:
    """(a dead letter without the person; how many events of its digest were of the person)."""
    body, gone = (
        queued_work.others(stored_letter.body, person) if stored_letter.letter.digest else (stored_letter.body, 0)
    )
    return structs.replace(stored_letter, letter=_letter_without(stored_letter.letter, person), body=body), gone


def _letter_without(letter: DeadLetter, person: Person) -> DeadLetter:
    return structs.replace(
        letter,
        error=person.text(letter.error),
        path=person.text(letter.path),
        headers=person.text(letter.headers),
        event=person.event(letter.event),
        event_hint=person.event(letter.event_hint),
        attempts=queued_work.attempts_without(letter.attempts, person),
    )


async def _repack(redis: Client, person: Person, done: Forgotten) -> None:
    """The letters that others were packed against outlive their own removal, as long as these need them."""
    theirs = await queued_work.dictionaries(redis, person.is_in)
    if not theirs:
        return
    async for ids in _all(redis, lambda row: row.dictionary in theirs):
        seen = await queued_work.seen(redis, ids)
        found = await dead_letters.stored_letters(redis, ids)
        stored_letters = [
            stored_letter for stored_letter in found if stored_letter and not stored_letter.letter.is_unreadable
        ]
        for dictionary in theirs:
            done.repacked += await queued_work.repack(redis, dictionary, stored_letters, seen)


async def _all(
    redis: Client, is_meant: Callable[[DeadLetterRow], bool] = lambda _: True
) -> AsyncIterator[list[str]]:
    ids: list[str] = []
    async for row in walk(redis, Filter(), NEWEST):
        if not is_meant(row):
            continue
        ids.append(row.id)
        if len(ids) == AT_A_TIME:
            yield ids
            ids = []
    if ids:
        yield ids
