"""The argument and the exceptions of a `python` channel's function. Users import these names from `hookline`.

It imports nothing but msgspec, so that a user's module, and the tests of it, import quickly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct


@dataclass(frozen=True)
class Notification:
    """The notification to send. The function gets it together with the idempotency key."""

    event: str
    """Event name, as the provider gives it."""

    source: str
    """Name of the source in the config."""

    rule: str
    """Name of the rule that made the notification."""

    model: Struct | None
    """The payload as its typed model (`hookline.models`, `hookline.voucherify`), with what the rule looked up.
    None where the event's name has no model, or the payload does not fit it."""

    data: Mapping[str, Any]
    """The payload with all its keys, and with what the rule looked up. A copy that the function may change."""

    raw: bytes
    """The body as it was received."""

    text: str
    """The rule's `text`, rendered. Empty where the rule has none; so are `subject`, `to` and `html`."""

    subject: str
    to: str
    html: str
    attempt: int
    """The number of the attempt. Starts at 1."""


class Permanent(Exception):
    """Raised by the function: further attempts would fail too.

    The notification becomes a dead letter immediately.
    """


class RetryLater(Exception):
    """Raised by the function: try again, not before `after_s` seconds have passed. Defaults to 0 seconds.

    The channel's `retry` settings decide when that is, and how many attempts there are.
    """

    def __init__(self, reason: str, *, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


UserFunction = Callable[[Notification, str], Awaitable[object]]
"""(notification, idempotency key). What it returns is ignored."""
