"""Removes a person from the dead letters of one partition. Every async function raises BrokerError."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from msgspec import structs

from broker import dead_letters
from broker.dead_letters import NEWEST, DeadLetter, DeadLetterRow, StoredDeadLetter
from broker.dead_letters.replay import body_of
from broker.erasure import letter_rewrites, queued_work
from broker.redis.client import Client
from inspector.operations.action_steps.verb_steps import CHUNK
from inspector.operations.erasure.result import ForgetResult
from inspector.operations.export.export import SearchTerms
from inspector.operations.filters import Filter
from inspector.operations.walk import walk_one
from inspector.privacy.person import Person


async def remove_letters(redis: Client, person: Person, terms: SearchTerms, done: ForgetResult) -> None:
    """Remove the person from all dead letters of one partition."""
    # The search index has only the most selective terms of a letter, so every letter is read.
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
        about=person.text(letter.about),
        event=person.event(letter.event),
        event_hint=person.event(letter.event_hint),
        attempts=queued_work.attempts_without(letter.attempts, person),
    )


async def repack(redis: Client, person: Person, done: ForgetResult) -> None:
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
    async for row in walk_one(redis, Filter(), NEWEST):
        if not include(row):
            continue
        ids.append(row.id)
        if len(ids) == CHUNK:
            yield ids
            ids = []
    if ids:
        yield ids
