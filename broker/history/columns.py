"""The blocks that steps append to the history: the rows of one step, column by column.

Of search terms a block has only checksums. Sealing puts the columns of many blocks together as they are, so that
it costs little for each event. A block is not compressed: most of it are ids and checksums, which would become a
third smaller at best, and that for some minutes.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence, Sized
from itertools import accumulate, chain, compress, repeat
from typing import TypeVar

from msgspec import Struct

from broker.history.records import EventRow, Fate, Kind, OutcomeRecord, OutcomeRow
from broker.history.token_index import (
    KEY_BYTES,
    SHORT_BYTES,
    checksums,
    packed_checksums,
    packed_keys,
    short_keys,
    unpacked_checksums,
)
from runtime.first_id import ID, MAX_CHARS, first_id

KINDS: tuple[Kind, ...] = ("sent", "skipped", "dead", "retry", "later")
FATES: tuple[Fate, ...] = ("n", "d", "r", "x")
"""The fates of rows that are in the history. No step writes `x`, and `-` leaves a row out."""

NUMBER_OF_FATE: Mapping[str, int] = {fate: number for number, fate in enumerate(FATES)}
NUMBER_OF_KIND = {kind: number for number, kind in enumerate(KINDS)}

_T = TypeVar("_T")


class EventColumns(Struct, array_like=True):
    """The events of a step."""

    first_ms: int
    names: list[str]
    """The names of sources, events, rules and channels, which columns refer to by their index."""

    # One for each event.
    received: list[int]
    """When it was received, in ms after `first_ms`."""

    source: list[int]
    event: list[int]
    id: list[str]
    about: list[str]
    """The id that a list shows beside that of the event; "" for none."""

    terms: list[int]
    """How many search terms it has."""

    notifications: list[int]
    """How many notifications it caused."""

    letters: dict[int, str]
    members: dict[int, int]
    linked: dict[int, bytes]
    """By digest: the short keys of its first events, which find it."""

    checksums: bytes
    """The CRC-32 of each term in 4 bytes, the lowest byte first."""

    # One for each notification.
    rule: list[int]
    channel: list[int]
    keys: bytes
    """The idempotency keys: 16 bytes each, or 8 if one of them does not have the form of Hookline's."""

    def check(self) -> None:
        """Check that the columns fit together. Raises ValueError."""
        of_events: list[Sized] = [
            self.received,
            self.source,
            self.event,
            self.about,
            self.terms,
            self.notifications,
        ]
        numbers = (self.source, self.event, self.rule, self.channel)
        if (
            {*map(len, of_events), len(self.notifications)} != {len(self.id)}
            or {len(self.rule), len(self.channel)} != {sum(self.notifications)}
            or 4 * sum(self.terms) != len(self.checksums)
            or self.key_bytes() not in (SHORT_BYTES, KEY_BYTES)
            or self.key_bytes() * len(self.rule) != len(self.keys)
        ):
            raise ValueError("the columns have different lengths")
        if max(map(max, filter(None, numbers)), default=0) >= len(self.names):
            raise ValueError("a name is missing")

    def key_bytes(self) -> int:
        """Return how many bytes a key has."""
        return len(self.keys) // len(self.rule) if self.rule else KEY_BYTES

    def short_keys(self) -> array[int]:
        """Return the first 8 bytes of each key."""
        return array("Q", self.keys)[:: self.key_bytes() // SHORT_BYTES]


class OutcomeColumns(Struct, array_like=True):
    """The outcomes of a step."""

    first_ms: int
    kind: list[int]
    at: list[int]
    """When it was, in ms after `first_ms`."""

    took: list[int]
    status: list[int]
    text: dict[int, str]
    next: dict[int, int]
    """When the next attempt is due, in ms since 1970."""

    letter: dict[int, str]
    keys: bytes
    """The first 8 bytes of the idempotency key of each."""

    without: list[int] = []
    """Places among the outcomes of the step that have no row here."""

    def check(self) -> None:
        """Check that the columns fit together. Raises ValueError."""
        columns = (self.kind, self.at, self.took, self.status)
        if {*map(len, columns)} != {len(self.keys) // SHORT_BYTES} or len(self.keys) % SHORT_BYTES:
            raise ValueError("the columns have different lengths")
        if max(self.kind, default=0) >= len(KINDS):
            raise ValueError("an outcome is of an unknown kind")

    def rows(self) -> list[OutcomeRecord]:
        """Return the outcomes one by one. Each has the first half of its key."""
        columns = zip(self.kind, self.at, self.took, self.status, strict=True)
        return [
            OutcomeRecord(
                self.keys[SHORT_BYTES * place : SHORT_BYTES * (place + 1)].hex(),
                KINDS[kind],
                self.first_ms + at,
                took_ms,
                status,
                self.text.get(place, ""),
                self.next.get(place, 0),
                self.letter.get(place, ""),
            )
            for place, (kind, at, took_ms, status) in enumerate(columns)
        ]


def events_of(rows: Sequence[EventRow]) -> EventColumns:
    """Return the columns of events, at least one."""
    # Every event goes through here, so there is no loop over rows for what few of them have.
    received, sources, events, ids, terms, notifications, letters, members = zip(*rows, strict=True)
    planned = [*chain.from_iterable(notifications)]
    rules, channels, keys = zip(*planned, strict=True) if planned else ((), (), ())
    names: dict[str, int] = {}
    source, event, rule, channel = (_numbered(column, names) for column in (sources, events, rules, channels))
    linked = {}
    if any(members):
        linked = {place: short_keys(terms[place]) for place, count in enumerate(members) if count}
        terms = tuple(() if count else texts for count, texts in zip(members, terms, strict=True))
    first_ms = received[0]
    return EventColumns(
        first_ms=first_ms,
        names=list(names),
        received=[ms - first_ms for ms in received],
        source=source,
        event=event,
        id=list(ids),
        about=_about(ids, terms),
        terms=[*map(len, terms)],
        notifications=[*map(len, notifications)],
        letters=_not_empty(letters),
        members=_not_empty(members),
        linked=linked,
        checksums=packed_checksums(checksums([*chain.from_iterable(terms)])),
        rule=rule,
        channel=channel,
        keys=packed_keys(keys),
    )


def _about(ids: Sequence[str], terms: Sequence[Sequence[str]]) -> list[str]:
    """The id that a list shows beside that of each event."""
    # For most events it is the second term, after the id itself: then one match decides.
    seconds = [
        texts[1] if len(texts) > 1 and texts[0] == event_id and len(texts[1]) != len(event_id) else ""
        for event_id, texts in zip(ids, terms, strict=True)
    ]
    return [
        second if match and len(second) <= MAX_CHARS else first_id(texts, beside=event_id)
        for second, match, event_id, texts in zip(seconds, map(ID.fullmatch, seconds), ids, terms, strict=True)
    ]


def _numbered(column: Sequence[str], names: dict[str, int]) -> list[int]:
    """The numbers of the names in a column. New names are added to `names`."""
    if column and column.count(column[0]) == len(column):
        return [names.setdefault(column[0], len(names))] * len(column)
    for name in {*column}:
        names.setdefault(name, len(names))
    return [*map(names.__getitem__, column)]


def outcomes_of(rows: Sequence[OutcomeRow]) -> OutcomeColumns:
    """Return the columns of outcomes, at least one."""
    keys, kinds, at, took, statuses, texts, nexts, letters = zip(*rows, strict=True)
    first_ms = at[0]
    return OutcomeColumns(
        first_ms=first_ms,
        kind=[*map(NUMBER_OF_KIND.__getitem__, kinds)],
        at=[ms - first_ms for ms in at],
        took=list(took),
        status=list(statuses),
        text=_not_empty(texts),
        next=_not_empty(nexts),
        letter=_not_empty(letters),
        keys=short_keys(keys),
    )


def _not_empty(column: Sequence[_T]) -> dict[int, _T]:
    """The values of the rows that have one."""
    return {place: value for place, value in enumerate(column) if value} if any(column) else {}


def chosen_events(columns: EventColumns, fates: str) -> tuple[EventColumns, str]:
    """Return the events that the step recorded, and their fates. Only new ones have notifications."""
    is_kept = [fate in FATES for fate in fates]
    is_new = [fate == "n" for fate in fates]
    has_notifications = [*chain.from_iterable(map(repeat, is_new, columns.notifications))]
    has_terms = chain.from_iterable(map(repeat, is_kept, columns.terms))
    keys, size = columns.keys, columns.key_bytes()
    chosen = EventColumns(
        first_ms=columns.first_ms,
        names=columns.names,
        received=[*compress(columns.received, is_kept)],
        source=[*compress(columns.source, is_kept)],
        event=[*compress(columns.event, is_kept)],
        id=[*compress(columns.id, is_kept)],
        about=[*compress(columns.about, is_kept)],
        terms=[*compress(columns.terms, is_kept)],
        notifications=[
            count if new else 0
            for count, new, kept in zip(columns.notifications, is_new, is_kept, strict=True)
            if kept
        ],
        letters=_renumbered(columns.letters, is_kept),
        members=_renumbered(columns.members, is_kept),
        linked=_renumbered(columns.linked, is_kept),
        checksums=packed_checksums(array("I", compress(unpacked_checksums(columns.checksums), has_terms))),
        rule=[*compress(columns.rule, has_notifications)],
        channel=[*compress(columns.channel, has_notifications)],
        keys=b"".join(
            keys[size * number : size * (number + 1)] for number, has in enumerate(has_notifications) if has
        ),
    )
    return chosen, "".join(compress(fates, is_kept))


def chosen_outcomes(columns: OutcomeColumns, is_kept: Sequence[bool]) -> OutcomeColumns:
    """Return the outcomes that the step recorded."""
    return OutcomeColumns(
        first_ms=columns.first_ms,
        kind=[*compress(columns.kind, is_kept)],
        at=[*compress(columns.at, is_kept)],
        took=[*compress(columns.took, is_kept)],
        status=[*compress(columns.status, is_kept)],
        text=_renumbered(columns.text, is_kept),
        next=_renumbered(columns.next, is_kept),
        letter=_renumbered(columns.letter, is_kept),
        keys=array("Q", compress(array("Q", columns.keys), is_kept)).tobytes(),
    )


def _renumbered(values: Mapping[int, _T], is_kept: Sequence[bool]) -> dict[int, _T]:
    """The values of the rows that are kept, by their new numbers."""
    if not values:
        return {}
    before = [*accumulate(is_kept, initial=0)]
    return {before[place]: value for place, value in values.items() if is_kept[place]}
