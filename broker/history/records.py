"""The rows of the history: events, their notifications, and how the attempts to send these ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from broker.redis.scripting.scripts import STREAMS, Part

RECORDING = Part("history/recording", parts=(STREAMS,), keys=("history",))

Fate = Literal["n", "d", "r", "-", "x"]
"""The letter for what a step did with a row. n: it is new. d: its event is a duplicate. r: it is a duplicate that
caused dead notifications to be tried again. -: nothing, since an earlier run of the step has recorded it. x: it
was erased, because it was about a person who is forgotten."""

Kind = Literal["sent", "skipped", "dead", "retry", "later"]
"""How an attempt ended. `later`: it was not made yet, because it may not be sent now."""

MAX_ID = 80
"""Limit on the characters of an event's id in the history."""

MAX_TEXT = 120
"""Limit on the characters of the text of an outcome."""


# Rows are tuples because every event has some: a struct takes five times as long to make, and columns are made of
# tuples by one call of zip.
NotificationRow = tuple[str, str, str]
"""A notification that an event caused: rule, channel, idempotency key. The channel is "" and the key that of the
event in a digest where it joined one."""

EventRow = tuple[int, str, str, str, Sequence[str], Sequence[NotificationRow], str, int]
"""An event as intake found it, or a digest that was closed: the fields of `EventRecord`, with two lists before the
last two. The first has the search terms that find the event, and for a digest the keys of its first events."""

OutcomeRow = tuple[str, Kind, int, int, int, str, int, str]
"""How an attempt ended: the fields of `OutcomeRecord`."""


class EventRecord(Struct, frozen=True, gc=False):
    """An event, or a digest that was closed."""

    received_at_ms: int
    source: str
    event: str
    """The name of the event; "" where the body could not be decoded."""

    id: str
    """The id that people know the event by, at most `MAX_ID` characters."""

    letter: str = ""
    """The id of the dead letter that the body became at intake, or ""."""

    members: int = 0
    """How many events a digest has; 0 for an event."""


class OutcomeRecord(Struct, frozen=True, array_like=True, gc=False):
    """How an attempt to send a notification ended."""

    key: str
    """The idempotency key of the notification, or its first 16 characters."""

    kind: Kind
    at_ms: int
    took_ms: int = 0
    status: int = 0
    """The HTTP status of the answer; 0 where there was none."""

    text: str = ""
    """The error, or the reason why it was skipped; at most `MAX_TEXT` characters."""

    next_ms: int = 0
    """When the next attempt is due; 0 without one."""

    letter: str = ""
    """The id of the dead letter that the notification became, or ""."""


class UnreadableBlockError(Exception):
    """The bytes are not a block that this version can read."""
