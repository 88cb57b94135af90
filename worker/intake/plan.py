"""A plan: what one commit is to do with some entries of the stream."""

from __future__ import annotations

from msgspec import Struct

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.queue.jobs import MAX_NOTIFICATIONS, Notification, NotifyJob
from broker.queue.stream import Entry
from broker.steps.commit import Processed, Share

_MAX_BODIES = 1000
"""Bodies a commit: enough to make the round trip cheap, few enough to occupy Redis for a few ms only."""

_MAX_DEAD_LETTERS = 100
"""Dead letters of one commit, or a few more. Each of them occupies Redis for 0.1 ms."""


class Split(Struct, frozen=True):
    """An entry that is replaced by several."""

    entry: Entry
    batches: list[list[RawBody]]


class UnrecognizedEntry(Struct, frozen=True):
    """An entry that this worker does not understand, and another worker may."""

    entry: Entry
    why: str
    otherwise: Processed
    """The dead letters that are committed when no worker understood the entry within the grace period."""


class Plan:
    """The work of one commit; entries are added until the plan is full."""

    def __init__(self) -> None:
        self.processed: list[Processed] = []
        self.jobs: list[NotifyJob] = []
        self.split: list[Split] = []
        """Entries that are split: into single bodies after they ended too many workers, or into known and unknown
        sources."""

        self.unrecognized: list[UnrecognizedEntry] = []
        self._bodies = 0
        self._dead_letters = 0
        self._open_jobs: dict[str, tuple[int, int]] = {}  # by channel: the job's number and the bytes in it

    def add_processed(self, processed: Processed) -> None:
        """Add an entry whose bodies became events or dead letters."""
        self.processed.append(processed)
        self._bodies += processed.bodies
        self._dead_letters += len(processed.stored_letters)

    def add_notification(self, channel: str, notification: Notification) -> Share:
        """Put a notification into a job of its channel: up to 64 of them, or 256 KB of bodies, make one job."""
        size = len(notification.body.body)
        number, filled = self._open_jobs.get(channel, (0, 0))
        is_full = number == 0 or len(self.jobs[number - 1].notifications) >= MAX_NOTIFICATIONS
        if is_full or filled + size > batch.MAX_BYTES:
            self.jobs.append(NotifyJob(channel, 1, 0, []))
            number, filled = len(self.jobs), 0
        notifications = self.jobs[number - 1].notifications
        notifications.append(notification)
        self._open_jobs[channel] = (number, filled + size)
        return Share(number, len(notifications) - 1, 1)

    def is_full(self) -> bool:
        """Return whether the plan should be committed before more entries are added."""
        return self._bodies >= _MAX_BODIES or self._dead_letters >= _MAX_DEAD_LETTERS

    def entry_ids(self) -> list[str]:
        """The ids of all entries in the plan."""
        return [
            *(processed.entry_id for processed in self.processed),
            *(split.entry.id for split in self.split),
            *(unrecognized.entry.id for unrecognized in self.unrecognized),
        ]
