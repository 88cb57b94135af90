"""Messages made some at a time, before their turns come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from broker.queue.jobs import Notification
from worker.rules.render import Message

_FOR_S = 0.002
"""Seconds after which the event loop gets its turn again."""


class Prerender:
    """The messages of some of a job's notifications, each to be taken once, about in the order in which they came.

    To make one between two sends costs twice what it costs after another: processors keep at hand what they do.
    """

    def __init__(
        self, make: Callable[[Notification], Message], notifications: Iterable[tuple[int, Notification]]
    ) -> None:
        """notifications: each with its index."""
        self._make = make
        self._unmade = iter(notifications)
        self._made: dict[int, Message | Exception] = {}

    def take(self, index: int) -> Message:
        """The message. Raises what making it raised."""
        if index not in self._made:
            self._make_some(index)
        made = self._made.pop(index)
        if isinstance(made, Exception):
            raise made
        return made

    def _make_some(self, wanted: int) -> None:
        """All up to the one that is wanted, and for a while those after it."""
        until = time.monotonic() + _FOR_S
        for index, notification in self._unmade:
            try:
                self._made[index] = self._make(notification)
            except Exception as error:  # noqa: BLE001 - raised to whoever takes it
                self._made[index] = error
            if wanted in self._made and time.monotonic() > until:
                return
