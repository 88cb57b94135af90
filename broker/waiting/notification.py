"""A notification that waits, and its place among all that wait."""

from __future__ import annotations

import re
from typing import NamedTuple

from msgspec import Struct

from broker.queue.jobs import Notification
from broker.queue.waiting.cause import Cause

_ID = r"[0-9a-z]{17}(?:(?:\.[a-z])?\.[0-9]{1,9})?"
POSITION_PATTERN = rf"([0-9]{{1,15}})-({_ID})-([0-9]{{1,4}})-([0-9]{{1,9}})"
PLACE_PATTERN = rf"([0-9]{{1,4}})-({_ID})-([0-9]{{1,9}})"
_POSITION = re.compile(POSITION_PATTERN, re.ASCII)
_PLACE = re.compile(PLACE_PATTERN, re.ASCII)
_KNOWN = re.compile(_ID, re.ASCII)


class Place(NamedTuple):
    """The place in which a notification waits. Another attempt waits in another place."""

    partition: int
    job: str
    """The id of the job, or of the group of windows that end together."""

    number: int
    """The number of the notification in the job, or of the window in the group (starts at 0)."""

    def __str__(self) -> str:
        return "-".join(map(str, self))


class Position(NamedTuple):
    """A place in the list of all waiting notifications, which begins with those that are due first."""

    due_ms: int
    job: str
    partition: int
    number: int

    def __str__(self) -> str:
        return "-".join(map(str, self))


FIRST = Position(-1, "", 0, 0)
"""The position before all others."""


class WaitingNotification(Struct, frozen=True):
    """A notification that waits, or a digest whose window has not ended."""

    position: Position
    """The place in the list. `due_ms` is when it is due, or since when it is held."""

    cause: Cause
    channels: tuple[str, ...]
    """The channel, or the channels of a digest; empty if this version cannot read it."""

    attempt: int
    """The number of its next attempt (starts at 1)."""

    first_try_ms: int
    """When its first attempt was due."""

    notification: Notification | None
    """None if this version cannot read its job. A digest has the body of its first event."""

    is_running: bool = False
    """True if a worker has it now."""

    events: int = 0
    """How many events a digest has now; 0 for others."""

    @property
    def place(self) -> Place:
        """The place in which it waits."""
        return Place(self.position.partition, self.position.job, self.position.number)


def position_of(text: str) -> Position:
    """Return the position that a text names. Raises ValueError."""
    match = _POSITION.fullmatch(text)
    if match is None:
        raise ValueError("not a place in the list of waiting notifications; use the cursor that a page returned")
    due_ms, job, partition, number = match.groups()
    return Position(int(due_ms), job, int(partition), int(number))


def place_of(text: str) -> Place:
    """Return the place that a text names. Raises ValueError."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ValueError("not the id of a waiting notification; use one that the list shows")
    partition, job, number = match.groups()
    return Place(int(partition), job, int(number))


def is_known(name: str) -> bool:
    """Return whether a name in the queue is an id that Hookline writes."""
    return _KNOWN.fullmatch(name) is not None
