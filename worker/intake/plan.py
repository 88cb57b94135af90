"""A plan: what one commit is to do with some entries of the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from broker.history.records import EventRow
from broker.queue import batch
from broker.queue.batch import RawBody
from broker.queue.jobs import MAX_NOTIFICATIONS, Notification, NotifyJob
from broker.queue.stream import Entry
from broker.steps.commit import NewEvent, Processed, Share
from broker.steps.digests import Part
from worker.intake.match import MatchedEvent

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_MAX_BODIES = 1000
"""Bodies of one plan."""

# A step occupies Redis for 4 to 6 us for each event, 8 us if it joins a digest, and 80 us for each dead letter, so
# with these limits for about 1 to 2 ms. An entry is committed as a whole, and may exceed them.
_MAX_EVENTS = 4 * MAX_NOTIFICATIONS
"""Events of one step, in one partition."""

_MAX_DEAD_LETTERS = 20
"""Dead letters of one commit."""


class Split(Struct, frozen=True):
    """An entry that is replaced by one or more others."""

    entry: Entry
    batches: list[list[tuple[int, RawBody]]]
    """The bodies of each new entry, each with its place in the batch that it was received in."""

    further: int = 0
    """By how many the new entries have more bodies, because some bodies held several events."""


class UnrecognizedEntry(Struct, frozen=True):
    """An entry that this worker does not understand, and another worker may."""

    entry: Entry
    why: str
    otherwise: Processed
    """The dead letters that are committed when no worker understood the entry within the grace period."""


class Jobs:
    """The new jobs of one partition; notifications are added until a job is full."""

    def __init__(self) -> None:
        self.all: list[NotifyJob] = []
        self._open: dict[str, tuple[int, int]] = {}  # by channel: the job's number and the bytes in it

    def add(self, channel: str, notification: Notification) -> Share:
        """Put a notification into a job of its channel: up to 64 of them, or 256 KB of bodies, make one job."""
        size = len(notification.body.body)
        number, filled = self._open.get(channel, (0, 0))
        is_full = number == 0 or len(self.all[number - 1].notifications) >= MAX_NOTIFICATIONS
        if is_full or filled + size > batch.MAX_BYTES:
            self.all.append(NotifyJob(channel, 1, 0, []))
            number, filled = len(self.all), 0
        notifications = self.all[number - 1].notifications
        notifications.append(notification)
        self._open[channel] = (number, filled + size)
        return Share(number, len(notifications) - 1, 1)

    def add_all(self, matched: MatchedEvent) -> NewEvent:
        """Put the notifications of an event into jobs."""
        return NewEvent(
            matched.mark, [self.add(channel, notification) for channel, notification in matched.notifications]
        )


class LeavingPart(Struct, frozen=True):
    """The contribution of an event to a digest that is at home in another partition than the event."""

    home: int
    part: Part


class HomeBatch(Struct, frozen=True):
    """The events of one entry that are at home in one partition, and are processed there before the commit."""

    entry: Entry
    places: list[int]
    """The place of each event's body in the batch that it was received in."""

    bodies: list[RawBody]
    events: list[NewEvent]
    parts: list[Part]
    leaving: list[LeavingPart]
    records: list[EventRow]
    """The row of each event for the history; empty without a history."""


class HomeWork:
    """The events that are processed in one partition before their entries are committed."""

    def __init__(self) -> None:
        self.batches: list[HomeBatch] = []
        self.jobs = Jobs()

    def batch_of(self, entry: Entry) -> HomeBatch:
        """Return the batch for an entry; entries come one after another."""
        if not self.batches or self.batches[-1].entry is not entry:
            self.batches.append(HomeBatch(entry, [], [], [], [], [], []))
        return self.batches[-1]

    def events(self) -> int:
        """Return how many events there are."""
        return sum(len(batch_at_home.events) for batch_at_home in self.batches)


class Plan:
    """The work of one commit; entries are added until the plan is full."""

    def __init__(self) -> None:
        self.processed: list[Processed] = []
        self.jobs = Jobs()
        self.elsewhere: dict[int, HomeWork] = {}
        """By partition: the events that are processed there first. Empty if there is only one partition."""

        self.split: list[Split] = []
        """Entries that are split: into single bodies after they ended too many workers, into known and unknown
        sources, or into the events that their bodies hold."""

        self.unrecognized: list[UnrecognizedEntry] = []
        self.spans: list[Span] = []
        """The spans of the entries, which end with the commit; empty without traces."""

        self._bodies = 0
        self._events = 0
        self._dead_letters = 0

    def add_processed(self, processed: Processed, bodies: int) -> None:
        """Add an entry whose bodies became events or dead letters. bodies: the number of all its bodies."""
        self.processed.append(processed)
        self._bodies += bodies
        self._events += len(processed.events)
        self._dead_letters += len(processed.stored_letters)

    def home(self, number: int) -> HomeWork:
        """Return the work in a partition that comes before the commit."""
        return self.elsewhere.setdefault(number, HomeWork())

    def is_full(self) -> bool:
        """Return whether the plan should be committed before more entries are added."""
        events = max([self._events, *(work.events() for work in self.elsewhere.values())])
        return events >= _MAX_EVENTS or self._bodies >= _MAX_BODIES or self._dead_letters >= _MAX_DEAD_LETTERS

    def entry_ids(self) -> list[str]:
        """The ids of all entries in the plan."""
        return [
            *(processed.entry_id for processed in self.processed),
            *(split.entry.id for split in self.split),
            *(unrecognized.entry.id for unrecognized in self.unrecognized),
        ]
