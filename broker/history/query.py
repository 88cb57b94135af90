"""A question to the history, and the answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from broker.history.records import EventRecord, Fate, OutcomeRecord

STATES = (
    "sent",
    "skipped",
    "dead",
    "retrying",
    "waiting",
    "queued",
    "held",
    "digest",
    "duplicate",
    "unmatched",
)
State = Literal[
    "sent", "skipped", "dead", "retrying", "waiting", "queued", "held", "digest", "duplicate", "unmatched"
]
"""The state of a notification, or of an event without notifications."""

STATE_OF_KIND: dict[str, State] = {
    "sent": "sent",
    "skipped": "skipped",
    "dead": "dead",
    "retry": "retrying",
    "later": "waiting",
}
_POSITION = re.compile(r"([0-9]{1,15})-([0-9]{1,10})-([0-9]{1,6})-([0-9]{1,4})", re.ASCII)


class Position(NamedTuple):
    """The place of an event in the history. Later events have greater ones."""

    ms: int
    """When the step recorded it, by the clock of its partition."""

    number: int
    """The number of the step within that millisecond."""

    row: int
    partition: int

    def __str__(self) -> str:
        return "-".join(map(str, self))


NEWEST = Position(10**15, 0, 0, 0)


def position_of(text: str) -> Position:
    """Return the position that a text names. Raises ValueError."""
    match = _POSITION.fullmatch(text)
    if match is None:
        raise ValueError("not a place in the history; use the cursor that a page returned")
    return Position(*map(int, match.groups()))


class Traced(Struct, frozen=True, gc=False):
    """A notification with everything that was recorded about it."""

    rule: str
    channel: str
    """The channel; "" where the event joined a digest of the rule."""

    key: str
    """The idempotency key, or its first 16 characters in a sealed segment."""

    outcomes: Sequence[OutcomeRecord]
    """The ends of its attempts, oldest first."""

    def state(self, held: Collection[str]) -> State:
        """The state by its last outcome. held: names of the channels that send nothing now."""
        if not self.channel:
            return "digest"
        state = STATE_OF_KIND.get(self.outcomes[-1].kind, "queued") if self.outcomes else "queued"
        return "held" if state in ("queued", "retrying") and self.channel in held else state


class TracedEvent(Struct, frozen=True, gc=False):
    """An event with its notifications."""

    position: Position
    fate: Fate
    event: EventRecord
    notifications: Sequence[Traced]
    about: str = ""
    """An id beside that of the event, for rows of lists: for most the customer's at the provider. A sealed segment
    has its first `blocks.ABOUT_CHARS` characters."""

    def states(self, held: Collection[str]) -> set[State]:
        """The states of its notifications; else the reason why it has none. held: as for a notification."""
        if self.event.letter:
            return {"dead"}
        if self.fate != "n":
            return {"duplicate"}
        return {notification.state(held) for notification in self.notifications} or {"unmatched"}


class Query(Struct, frozen=True, kw_only=True):
    """The events that are wanted. An empty criterion matches all."""

    source: str = ""
    event: str = ""
    rule: str = ""
    channel: str = ""
    states: frozenset[str] = frozenset()
    """States of which a notification of the event must have one."""

    held: frozenset[str] = frozenset()
    """Names of the channels that send nothing now: their open notifications are held."""

    since_ms: int = 0
    until_ms: int = 0
    """The events recorded before this time; 0 for all."""

    terms: frozenset[str] = frozenset()
    """Forms of one search term, of which the event must have one."""

    def matches(self, traced: TracedEvent) -> bool:
        """Return whether an event matches everything but the time and the search."""
        event, notifications = traced.event, traced.notifications
        return (
            self.source in ("", event.source)
            and self.event in ("", event.event)
            and (not self.rule or any(each.rule == self.rule for each in notifications))
            and (not self.channel or any(each.channel == self.channel for each in notifications))
            and (not self.states or bool(traced.states(self.held) & self.states))
        )


KEY_CHARS = (16, 32)
"""How many characters of an idempotency key find its notification."""


class HistoryPage(Struct, frozen=True):
    """Some events, newest first."""

    events: Sequence[TracedEvent]
    end: Position | None
    """The page has all events that match down to here, this position included; None if there are no older ones."""
