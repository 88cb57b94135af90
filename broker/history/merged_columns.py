"""The columns of all blocks of a segment, put together."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from broker.history.blocks import ABOUT_CHARS
from broker.history.columns import KINDS, NUMBER_OF_FATE, EventColumns, OutcomeColumns
from broker.history.records import OutcomeRecord

NEW = NUMBER_OF_FATE["n"]
_SAME = [*range(256)]
_T = TypeVar("_T")


class MergedEvents:
    """The columns of all events: see `EventColumns`."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        """By name its number."""

        self.ms: list[int] = []
        self.gap: list[int] = []
        """The time after the event before."""

        self.number: list[int] = []
        self.row: list[int] = []
        self.age: list[int] = []
        self.source: list[int] = []
        self.event: list[int] = []
        self.id: list[str] = []
        self.about: list[str] = []
        self.fate: list[int] = []
        self.terms: list[int] = []
        self.checksums = bytearray()
        self.notifications: list[int] = []
        self.letters: dict[int, str] = {}
        self.members: dict[int, int] = {}
        self.linked: dict[int, bytes] = {}
        self.rule: list[int] = []
        self.channel: list[int] = []
        self.keys = array("Q")

    def add(self, ms: int, number: int, columns: EventColumns, fates: str) -> None:
        """Add the events of a step that was made at `ms`. fates: "" if all are new."""
        count, first = len(columns.id), len(self.id)
        known = [self.numbers.setdefault(name, len(self.numbers)) for name in columns.names]
        age = ms - columns.first_ms
        self.gap += [ms - self.ms[-1] if self.ms else 0] + [0] * (count - 1)
        self.ms += [ms] * count
        self.number += [number] * count
        self.row += range(count)
        self.age += [age - received for received in columns.received]
        self.source += _renumbered(columns.source, known)
        self.event += _renumbered(columns.event, known)
        self.id += columns.id
        self.about += [about[:ABOUT_CHARS] for about in columns.about]
        self.fate += map(NUMBER_OF_FATE.__getitem__, fates) if fates else [NEW] * count
        self.terms += columns.terms
        self.checksums += columns.checksums
        self.notifications += columns.notifications
        _add_at(first, self.letters, columns.letters)
        _add_at(first, self.members, columns.members)
        _add_at(first, self.linked, columns.linked)
        self.rule += _renumbered(columns.rule, known)
        self.channel += _renumbered(columns.channel, known)
        self.keys.extend(columns.short_keys())


class MergedOutcomes:
    """The columns of all outcomes: see `OutcomeColumns`. Times are in ms since 1970."""

    def __init__(self) -> None:
        self.keys = array("Q")
        self.kind: list[int] = []
        self.at: list[int] = []
        self.took: list[int] = []
        self.status: list[int] = []
        self.text: dict[int, str] = {}
        self.next: dict[int, int] = {}
        self.letter: dict[int, str] = {}

    def add(self, columns: OutcomeColumns) -> None:
        """Add the outcomes of a step."""
        first, first_ms = len(self.kind), columns.first_ms
        self.keys.frombytes(columns.keys)
        self.kind += columns.kind
        self.at += [first_ms + at for at in columns.at]
        self.took += columns.took
        self.status += columns.status
        _add_at(first, self.text, columns.text)
        _add_at(first, self.next, columns.next)
        _add_at(first, self.letter, columns.letter)

    def record(self, place: int) -> OutcomeRecord:
        """Return one of them."""
        return OutcomeRecord(
            self.keys[place : place + 1].tobytes().hex(),
            KINDS[self.kind[place]],
            self.at[place],
            self.took[place],
            self.status[place],
            self.text.get(place, ""),
            self.next.get(place, 0),
            self.letter.get(place, ""),
        )


def _renumbered(column: list[int], numbers: Sequence[int]) -> Iterable[int]:
    """The column with other numbers. numbers: those by the numbers that the column has."""
    # Most steps have the same names.
    return column if numbers == _SAME[: len(numbers)] else map(numbers.__getitem__, column)


def _add_at(first: int, values: dict[int, _T], more: Mapping[int, _T]) -> None:
    """Add the values of further rows. first: the number of the first of these."""
    if more:
        values.update({first + place: value for place, value in more.items()})
