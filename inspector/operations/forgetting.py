"""Removing what Hookline keeps of a person, everywhere in Redis that it lies. All raise BrokerError.

It may run while workers do, and again: what a worker has just then is left to it and told of.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from broker import audit, dead, forget
from broker.actions import Order
from broker.audit import Deed
from broker.batch import RawBody
from broker.client import Client
from broker.dead import NEWEST, Grave, Note, Row
from broker.forget import Found
from broker.replay import body_of
from broker.spilled import read_spilled
from inspector.operations.acting import AT_A_TIME
from inspector.operations.exporting import Terms
from inspector.operations.finding import Filter, walk
from sources.kind import SourceKind
from sources.terms import term

MIN_CHARS = 4
_FORGOTTEN = "(forgotten)"
_PAUSE_S = 0.5
"""After a pass that workers were in the way of."""

_PASSES = 3
"""Over what waits: a notification may move on to a job that a pass came by before."""


class Person:
    """Who it is, and what tells that something is theirs."""

    def __init__(self, names: Sequence[str], kinds: Mapping[str, SourceKind]) -> None:
        """names: an id, an e-mail address. kinds: of the sources that are configured, by name.

        Raises ValueError for a name that too much would have.
        """
        self._terms = frozenset(term(name) for name in names)
        if not self._terms or any(len(name) < MIN_CHARS for name in self._terms):
            raise ValueError(f"an id or e-mail address has at least {MIN_CHARS} characters, and no line breaks")
        self._kinds = kinds
        written = {text for name in names for text in _as_json(name.strip())}
        quoted = b"|".join(re.escape(text) for text in sorted(written))
        self._quoted = re.compile(rb'"(?:' + quoted + rb')\\{0,8}"(?!\s{0,64}:)', re.IGNORECASE)
        self._texts = tuple(name.strip().casefold() for name in names)

    @property
    def told(self) -> str:
        """Who it is, as may be told."""
        return ", ".join(sorted(f"{name[:2]}***" for name in self._terms))

    def owns(self, body: RawBody) -> bool:
        """Whether a webhook is of the person: its terms say so, or a JSON string in it that is the id."""
        if self._is_quoted(body.body):
            return True
        kind = self._kinds.get(body.source)
        return kind is not None and not self._terms.isdisjoint(kind.terms(body.body))

    def is_in(self, data: bytes) -> bool:
        """The same of bytes that are of any source."""
        kinds = {kind.name: kind for kind in self._kinds.values()}.values()
        return self._is_quoted(data) or any(not self._terms.isdisjoint(kind.terms(data)) for kind in kinds)

    def _is_quoted(self, data: bytes) -> bool:
        return self._quoted.search(data) is not None

    def is_in_text(self, text: str) -> bool:
        """Whether what somebody wrote names the person."""
        return any(name in text.casefold() for name in self._texts)

    def is_sought(self, order: Order) -> bool:
        """Whether an action is about the person."""
        return term(str(order.wanted.get("search", ""))) in self._terms or self.is_in_text(order.note)


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
    """Actions whose filter or note named the person."""

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

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left that running it again, or a look at those places, would remove."""
        return not (self.busy or self.unreadable or self.unknown or self.spilled or self.repacked)


async def remove(redis: Client, person: Person, terms: Terms, *, by: str) -> Forgotten:
    """Remove all there is of a person. The audit log has it, without the name."""
    await audit.record(redis, Deed(by, "forget", person.told))
    done = Forgotten(busy=[], unreadable=[], spilled=[])
    await _remove_waiting(redis, person, done)
    await _remove_letters(redis, person, terms, done)
    if await _remove_waiting(redis, person, done):  # letters were replayed, or notifications died meanwhile
        await _remove_letters(redis, person, terms, done)
    done.unreadable = sorted(set(done.unreadable))
    await _repack(redis, person, done)
    done.notes = await forget.notes(redis, lambda note: _is_about(note, person))
    done.actions = await forget.orders(redis, lambda order: _cleaned(order, person))
    done.spilled = sorted(place for place, seen in (await read_spilled(redis)).items() if not seen.is_nothing())
    counts = {name: str(value) for name, value in msgspec.structs.asdict(done).items() if isinstance(value, int)}
    await audit.record(redis, Deed(by, "forgot", person.told, counts))
    return done


async def _remove_waiting(redis: Client, person: Person, done: Forgotten) -> bool:
    """In the order in which it moves on: what a worker takes on meanwhile is met further down. Whether any was."""
    first = (done.webhooks, done.digested, done.notifications)
    for number in range(_PASSES):
        if number and done.busy:
            await asyncio.sleep(_PAUSE_S)
        done.busy, before = [], (done.webhooks, done.digested, done.notifications)
        found = forget.webhooks(redis, person.owns, person.is_in)
        done.webhooks += await _noted(found, "batch", done)
        found = forget.gathered(redis, person.owns, person.is_in)
        done.digested += await _noted(found, "digest", done)
        found = forget.notifications(redis, person.owns, person.is_in)
        done.notifications += await _noted(found, "job", done)
        if before == (done.webhooks, done.digested, done.notifications) and not done.busy:
            break
    return bool(done.busy) or first != (done.webhooks, done.digested, done.notifications)


async def _noted(found: AsyncIterator[Found], what: str, done: Forgotten) -> int:
    removed = 0
    async for outcome, name, count in found:
        removed += count
        if outcome == "busy":
            done.busy.append(f"{what} {name}")
        elif outcome == "unreadable":
            done.unreadable.append(f"{what} {name}")
    return removed


async def _remove_letters(redis: Client, person: Person, terms: Terms, done: Forgotten) -> None:
    """Every letter is looked at: what it is found by are only its most telling terms."""
    done.unknown = 0
    async for ids in _all(redis):
        graves = [grave for grave in await dead.graves(redis, ids) if grave]
        theirs = [grave.letter for grave in graves if await _is_to_go(redis, grave, person, terms, done)]
        if theirs:
            done.letters += await dead.discard(redis, theirs, counter="forgotten")


async def _is_to_go(redis: Client, grave: Grave, person: Person, terms: Terms, done: Forgotten) -> bool:
    """Whether all of it is of the person."""
    letter = grave.letter
    if letter.is_unreadable:
        done.unknown += 1
        return False
    if letter.reason == "unreadable":
        if person.is_in(forget.unpacked(grave.body)):
            done.unreadable.append(f"dead letter {letter.id}")
        return False
    if not letter.digest:
        return person.owns(body_of(grave))
    return await _is_digest_to_go(redis, letter.id, person, terms, done)


async def _is_digest_to_go(redis: Client, letter_id: str, person: Person, terms: Terms, done: Forgotten) -> bool:
    """The same of a digest: one with events of others is one without the person's at once.

    Where somebody else, another who forgets, was quicker, it is looked at again: they have got on by one.
    """
    while True:
        seen = await forget.seen(redis, [letter_id])
        grave = await dead.get(redis, letter_id)
        if grave is None or letter_id not in seen or grave.letter.is_unreadable:
            return False
        stay, gone = forget.others(grave.body, person.owns)
        if not (gone and stay):
            return gone > 0
        rest = Grave(grave.letter, stay)
        if await forget.rebury(redis, Grave(grave.letter, stay, tuple(terms(rest))), seen[letter_id]):
            done.digested += gone
            return False


async def _repack(redis: Client, person: Person, done: Forgotten) -> None:
    """The letters that others were packed against outlive their own removal, as long as these need them."""
    theirs = await forget.dictionaries(redis, person.is_in)
    if not theirs:
        return
    async for ids in _all(redis, lambda row: row.dictionary in theirs):
        seen = await forget.seen(redis, ids)
        found = await dead.graves(redis, ids)
        graves = [grave for grave in found if grave and not grave.letter.is_unreadable]
        for dictionary in theirs:
            done.repacked += await forget.repack(redis, dictionary, graves, seen)


async def _all(redis: Client, is_meant: Callable[[Row], bool] = lambda _: True) -> AsyncIterator[list[str]]:
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


def _is_about(note: Note, person: Person) -> bool:
    return person.is_in_text(note.text)


def _cleaned(order: Order, person: Person) -> Order:
    """A filter that searches for nobody finds nothing; one without a search would find all."""
    if not person.is_sought(order):
        return order
    wanted = {**order.wanted, "search": _FORGOTTEN} if "search" in order.wanted else order.wanted
    note = _FORGOTTEN if person.is_in_text(order.note) else order.note
    return msgspec.structs.replace(order, wanted=wanted, note=note)


def _as_json(name: str) -> set[bytes]:
    """How JSON may write it, without the quotes."""
    return {msgspec.json.encode(name)[1:-1], json.dumps(name)[1:-1].encode()}
