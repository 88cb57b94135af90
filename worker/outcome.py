"""The outcomes of an attempt to send a notification."""

from __future__ import annotations

from msgspec import Struct

from broker.queue.waiting.cause import Deferral


class Sent(Struct, frozen=True):
    """The receiver accepted the notification."""

    status: int = 0
    """The HTTP status of the answer; 0 for channels without HTTP."""

    took_ms: int = 0
    """How long the send took. The sender measures it; channels leave it out."""


class Retry(Struct, frozen=True):
    """The attempt failed for a reason that may pass."""

    error: str
    error_class: str
    retry_after_s: float = 0.0
    """Seconds that the receiver asked to wait; 0 for none."""

    answer: str = ""
    """The receiver's answer, shortened."""

    status: int = 0
    """The HTTP status of the answer; 0 if there was none."""


class Dead(Struct, frozen=True):
    """The attempt failed for a lasting reason: another attempt would fail alike."""

    reason: str
    error: str
    error_class: str
    answer: str = ""
    """The receiver's answer, shortened."""

    place: str = ""
    """The place of the error in its rule's templates, without any value of the payload; "" for other errors."""

    status: int = 0
    """The HTTP status of the answer; 0 if there was none."""


class Skipped(Struct, frozen=True):
    """The notification is no longer wanted: its rule's `when` is not true, or a newer one was sent."""

    reason: str = ""
    """The reason for people: which of these it was."""


class Postponed(Struct, frozen=True):
    """Not attempted yet: the job's time was up, or the notification may not be sent now.

    That uses up neither an attempt nor the retry horizon.
    """

    delay_s: float = 0.0
    """Seconds until it may be sent; 0 for soon."""

    waits_for: Deferral | None = None
    """The reason for the wait; None for a moment that is not worth a name."""


class LeftOpen(Struct, frozen=True):
    """Not attempted, and still open in its job, which another worker may already run."""


Outcome = Sent | Skipped | Retry | Dead | Postponed | LeftOpen


def without_values(outcome: Dead) -> str:
    """The error of a dead notification without values. A template's error may quote the payload, which belongs in
    the dead letter alone."""
    return f"{outcome.error_class} in {outcome.place}" if outcome.place else outcome.error
