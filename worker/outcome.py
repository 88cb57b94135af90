"""What a try of a notification can come to."""

from __future__ import annotations

from msgspec import Struct


class Sent(Struct, frozen=True):
    """The other side has it."""


class Retry(Struct, frozen=True):
    """It failed for a passing reason."""

    error: str
    error_class: str
    retry_after_s: float = 0.0
    """What the other side asked for; 0 for nothing."""

    answer: str = ""


class Dead(Struct, frozen=True):
    """It failed for good: another try would fail alike."""

    reason: str
    error: str
    error_class: str
    answer: str = ""
    place: str = ""
    """Where in its rule's templates the error is, without any value of the payload; "" for other errors."""


class Skipped(Struct, frozen=True):
    """It is not wanted: its rule's `when` is not true by now."""


class PutOff(Struct, frozen=True):
    """It was not tried: the job's time was up, or it is not to be sent yet. Costs no attempt, nor the horizon."""

    delay_s: float = 0.0
    """Seconds until it may be; 0 for soon."""


class Left(Struct, frozen=True):
    """It was not tried and stays in its job, which another worker may be running by now."""


Outcome = Sent | Skipped | Retry | Dead | PutOff | Left
