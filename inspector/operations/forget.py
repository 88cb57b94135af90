"""Removes what Hookline keeps of a person, everywhere in Redis. Every function raises BrokerError.

It may run while workers run, and it may run again. Batches and jobs that a worker is processing are left to that
worker and reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from msgspec import Struct, structs

from broker import dead_letters
from broker.dead_letters import NEWEST, DeadLetter, DeadLetterRow, StoredDeadLetter
from broker.dead_letters.replay import body_of
from broker.erasure import append_only_file, kept_texts, letter_rewrites, queued_work
from broker.erasure.queued_work import ErasureResult
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.monitoring.spilled import read_spilled
from broker.namespace.set_aside import read_set_aside
from broker.redis.client import Client
from inspector.operations import search
from inspector.operations.bulk_actions import CHUNK
from inspector.operations.export import SearchTerms
from inspector.operations.filters import Filter
from inspector.privacy.person import Person

REWRITE_TIMEOUT_S = 600.0
"""Longest wait in seconds for Redis to rewrite its append-only file."""

_PAUSE_S = 0.5
"""Seconds before another pass if workers were processing some of the work."""

_PASSES = 3
"""Most passes over waiting work. A notification may move to a job that the pass has already read."""


class ForgetResult(Struct, kw_only=True):
    """The result: what was removed, by place, and what was left."""

    letters: int = 0
    """Dead letters of the person."""

    webhooks: int = 0
    """Webhooks that wait for intake."""

    notifications: int = 0
    """Notifications that wait to be sent."""

    digested: int = 0
    """Events in waiting digests and in dead letters of digests."""

    notes: int = 0
    """Notes on dead letters of other people."""

    actions: int = 0
    """Bulk actions whose filter, note or errors named the person."""

    redacted: int = 0
    """Dead letters, webhooks, events and notifications of other people that named the person in a text."""

    audit_entries: int = 0
    drift: int = 0
    """Drift findings that named the person."""

    alerts: int = 0

    repacked: int = 0
    """Dead letters of other people that were compressed with one of the person's letters as a dictionary."""

    busy: list[str] = []
    """Batches and jobs that a worker was processing."""

    unreadable: list[str] = []
    """Batches, jobs, digests and dead letters with data of the person that cannot be read, so not be rewritten."""

    unknown: int = 0
    """Dead letters that this version cannot read. They may hold data of the person."""

    spilled: list[str] = []
    """Directories with spilled webhooks, as host:directory. They were not searched."""

    set_aside: list[str] = []
    """Keys with data that Hookline did not write. They were not searched. See broker/namespace/set_aside.py."""

    append_only_file: append_only_file.RewriteState = "off"
    append_only_reason: str = ""
    """Why the file could not be rewritten; "" otherwise."""

    @property
    def is_complete(self) -> bool:
        """True if nothing is left, as far as Hookline can know."""
        left = self.busy or self.unreadable or self.unknown or self.spilled or self.repacked or self.set_aside
        return not left and self.append_only_file != "failed"


async def forget_person(
    redis: Client, person: Person, terms: SearchTerms, *, by: str, rewrite_timeout_s: float = REWRITE_TIMEOUT_S
) -> ForgetResult:
    """Remove all data of a person, with audit entries that do not name the person.

    Then Redis rewrites its append-only file. This waits at most `rewrite_timeout_s` for it.
    """
    await audit.record(redis, AuditEntry(by, "forget", person.masked_names))
    done = ForgetResult(busy=[], unreadable=[], spilled=[], set_aside=[])
    await _remove_waiting(redis, person, done)
    await _remove_letters(redis, person, terms, done)
    # Meanwhile dead letters may have been replayed, and waiting notifications may have become dead letters.
    if await _remove_waiting(redis, person, done):
        await _remove_letters(redis, person, terms, done)
    done.unreadable = sorted(set(done.unreadable))
    await _repack(redis, person, done)
    done.notes = await kept_texts.notes(redis, lambda note: person.is_in_text(note.text))
    done.actions = await kept_texts.actions(redis, person)
    done.audit_entries = await kept_texts.audit_entries(redis, person)
    done.drift = await kept_texts.drift(redis, person)
    done.alerts = await kept_texts.alerts(redis, person)
    done.set_aside = [key.name for key in await read_set_aside(redis)]
    done.spilled = sorted(place for place, state in (await read_spilled(redis)).items() if not state.is_nothing())
    counts = {name: str(value) for name, value in msgspec.structs.asdict(done).items() if isinstance(value, int)}
    await audit.record(redis, AuditEntry(by, "forgot", person.masked_names, counts))
    rewritten = await append_only_file.rewrite(redis, timeout_s=rewrite_timeout_s)
    done.append_only_file, done.append_only_reason = rewritten.state, rewritten.reason
    return done


async def _remove_waiting(redis: Client, person: Person, done: ForgetResult) -> bool:
    """Remove the person from the queue, digests and jobs. Returns whether there was anything."""
    # In the order in which work moves, so that what a worker moves on meanwhile is found in a later step.
    first = (done.webhooks, done.digested, done.notifications)
    for number in range(_PASSES):
        if number and done.busy:
            await asyncio.sleep(_PAUSE_S)
        done.busy, before = [], (done.webhooks, done.digested, done.notifications)
        done.webhooks += await _removed(queued_work.webhooks(redis, person), "batch", done)
        done.digested += await _removed(queued_work.gathered(redis, person), "digest", done)
        done.notifications += await _removed(queued_work.notifications(redis, person), "job", done)
        if before == (done.webhooks, done.digested, done.notifications) and not done.busy:
            break
    return bool(done.busy) or first != (done.webhooks, done.digested, done.notifications)


async def _removed(results: AsyncIterator[ErasureResult], what: str, done: ForgetResult) -> int:
    removed = 0
    async for result in results:
        removed += result.removed
        done.redacted += result.redacted
        if result.outcome == "busy":
            done.busy.append(f"{what} {result.name}")
        elif result.outcome == "unreadable":
            done.unreadable.append(f"{what} {result.name}")
    return removed


async def _remove_letters(redis: Client, person: Person, terms: SearchTerms, done: ForgetResult) -> None:
    """Remove the person from all dead letters."""
    # The search index has only the most selective terms of a letter, so every letter is read.
    done.unknown = 0
    async for ids in _all(redis):
        stored_letters = [
            stored_letter for stored_letter in await dead_letters.stored_letters(redis, ids) if stored_letter
        ]
        theirs = [
            stored_letter.letter
            for stored_letter in stored_letters
            if await _belongs_to(redis, stored_letter, person, terms, done)
        ]
        if theirs:
            done.letters += await dead_letters.discard(redis, theirs, counter="forgotten")


async def _belongs_to(
    redis: Client, stored_letter: StoredDeadLetter, person: Person, terms: SearchTerms, done: ForgetResult
) -> bool:
    """Return whether a letter is to be removed. Letters of others that name the person are redacted instead."""
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
    return _without(stored_letter, person)[0] != stored_letter and await _redact(
        redis, letter.id, person, terms, done
    )


async def _redact(redis: Client, letter_id: str, person: Person, terms: SearchTerms, done: ForgetResult) -> bool:
    """Write a letter without the person's data. Returns True instead if nothing would be left of the letter."""
    # If another process changes the letter first, the loop reads it again. That process made progress, so it ends.
    while True:
        versions = await letter_rewrites.seen(redis, [letter_id])
        stored_letter = await dead_letters.get(redis, letter_id)
        if stored_letter is None or letter_id not in versions or stored_letter.letter.is_unreadable:
            return False
        rest, removed = _without(stored_letter, person)
        if removed and not rest.body:
            return True
        if rest == stored_letter:
            return False
        if await letter_rewrites.replace_dead_letter(
            redis, StoredDeadLetter(rest.letter, rest.body, tuple(terms(rest))), versions[letter_id]
        ):
            done.digested += removed
            done.redacted += rest.letter != stored_letter.letter
            return False


def _without(stored_letter: StoredDeadLetter, person: Person) -> tuple[StoredDeadLetter, int]:
    """(a dead letter without the person, how many events of its digest were the person's)."""
    body, removed = (
        queued_work.others(stored_letter.body, person) if stored_letter.letter.digest else (stored_letter.body, 0)
    )
    return structs.replace(stored_letter, letter=_letter_without(stored_letter.letter, person), body=body), removed


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


async def _repack(redis: Client, person: Person, done: ForgetResult) -> None:
    """Compress the letters again that used one of the person's letters as a dictionary."""
    # A letter stays in Redis as a dictionary after its removal, as long as another letter needs it.
    theirs = await letter_rewrites.dictionaries(redis, person.is_in)
    if not theirs:
        return
    async for ids in _all(redis, lambda row: row.dictionary in theirs):
        versions = await letter_rewrites.seen(redis, ids)
        stored_letters = [
            stored_letter
            for stored_letter in await dead_letters.stored_letters(redis, ids)
            if stored_letter and not stored_letter.letter.is_unreadable
        ]
        for dictionary in theirs:
            done.repacked += await letter_rewrites.repack(redis, dictionary, stored_letters, versions)


async def _all(
    redis: Client, include: Callable[[DeadLetterRow], bool] = lambda _: True
) -> AsyncIterator[list[str]]:
    ids: list[str] = []
    async for row in search.walk(redis, Filter(), NEWEST):
        if not include(row):
            continue
        ids.append(row.id)
        if len(ids) == CHUNK:
            yield ids
            ids = []
    if ids:
        yield ids
