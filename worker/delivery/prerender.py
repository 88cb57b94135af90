"""Messages that are rendered several at a time, before they are sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from broker.queue.jobs import Notification
from worker.outcome import Dead, Skipped
from worker.rules.render import Message

_BUDGET_S = 0.002
"""Seconds of rendering after which other tasks of the event loop may run."""


class Prerender:
    """The messages of some of a job's notifications.

    Each is taken once, about in the order of the notifications.
    """

    # Rendering a message between two sends costs twice as much as rendering it after another one: processors cache
    # the code and data that they used last.

    def __init__(
        self,
        render: Callable[[Notification], Message | Skipped | Dead],
        notifications: Iterable[tuple[int, Notification]],
    ) -> None:
        """notifications: each with its index."""
        self._render = render
        self._waiting = iter(notifications)
        self._rendered: dict[int, Message | Skipped | Dead | Exception] = {}

    def unwanted(self, index: int) -> Skipped | Dead | None:
        """The outcome of a notification by its index where it has no message; None where it is to be sent."""
        if index not in self._rendered:
            self._render_some(index)
        rendered = self._rendered[index]
        return rendered if isinstance(rendered, Skipped | Dead) else None

    def take(self, index: int) -> Message:
        """The message of the notification with this index. Raises what rendering it raised."""
        if index not in self._rendered:
            self._render_some(index)
        rendered = self._rendered.pop(index)
        if isinstance(rendered, Exception):
            raise rendered
        assert isinstance(rendered, Message)
        return rendered

    def _render_some(self, wanted: int) -> None:
        """Render all messages up to the wanted one, and further ones until the budget is used up."""
        until = time.monotonic() + _BUDGET_S
        for index, notification in self._waiting:
            try:
                self._rendered[index] = self._render(notification)
            except Exception as error:  # noqa: BLE001 - raised when the message is taken
                self._rendered[index] = error
            if wanted in self._rendered and time.monotonic() > until:
                return
