"""The result of removing a person's data."""

from __future__ import annotations

from msgspec import Struct

from broker.erasure import append_only_file


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

    history: int = 0
    """Events in the history."""

    notes: int = 0
    """Notes on dead letters of other people, and on failure groups."""

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

    away: dict[int, str] = {}
    """Partitions that did not answer, and why. The person's data is still there."""

    has_moved: bool = False
    """True if a move to another number of partitions began meanwhile, so that some data may have been missed."""

    set_aside: list[str] = []
    """Keys with data that Hookline did not write. They were not searched. See broker/namespace/set_aside.py."""

    append_only_file: append_only_file.RewriteState = "off"
    append_only_reason: str = ""
    """Why the file could not be rewritten; "" otherwise."""

    @property
    def is_complete(self) -> bool:
        """True if nothing is left, as far as Hookline can know."""
        left = self.busy or self.unreadable or self.unknown or self.spilled or self.repacked or self.set_aside
        return not left and not self.away and not self.has_moved and self.append_only_file != "failed"
