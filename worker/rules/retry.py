"""When a failed notification is retried. Pure arithmetic."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class RetrySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A channel's `retry` table."""

    attempts: Annotated[int, Meta(ge=1)] = 60
    """Number of attempts, the first included. Defaults to 60, which with the other defaults takes about a day.
    After the last one the notification becomes a dead letter."""

    horizon_s: Annotated[float, Meta(gt=0)] = 86_400.0
    """Seconds after the first attempt in which retries may be made. Defaults to 86,400 (a day). After that the
    notification becomes a dead letter."""

    base_s: Annotated[float, Meta(gt=0)] = 2.0
    """Upper bound in seconds of the first delay. Defaults to 2; it doubles with each attempt."""

    cap_s: Annotated[float, Meta(gt=0)] = 3600.0
    """Upper bound in seconds of every delay that Hookline chooses itself. Defaults to 3,600."""

    max_retry_after_s: Annotated[float, Meta(ge=0)] = 3600.0
    """Longest delay in seconds that a receiver can ask for, for example with Retry-After. Defaults to 3,600; a
    longer one is shortened to it, and 0 ignores such requests."""


def exponential(attempt: int, *, base_s: float, cap_s: float) -> float:
    """Upper bound in seconds of the delay after attempt number `attempt` (starts at 1)."""
    return min(cap_s, base_s * 2.0 ** min(attempt - 1, 64))


def full_jitter(bound_s: float, draw: float) -> float:
    """A delay anywhere up to the bound; `draw` is uniform in 0..1."""
    return bound_s * draw


def delay_s(
    settings: RetrySettings, *, attempt: int, age_s: float, retry_after_s: float, draw: float
) -> float | None:
    """Seconds until the next attempt, or None when attempts or horizon are used up.

    attempt: the number of the attempt that failed (starts at 1); age_s: seconds since the first attempt;
    retry_after_s: seconds that the receiver asked to wait, 0 for none. The next attempt does not come before, up
    to `max_retry_after_s`; where that is beyond the horizon, a last attempt is made at the horizon.
    """
    if attempt >= settings.attempts:
        return None
    own = full_jitter(exponential(attempt, base_s=settings.base_s, cap_s=settings.cap_s), draw)
    left_s = settings.horizon_s - age_s
    if own > left_s:
        return None
    return max(own, min(retry_after_s, settings.max_retry_after_s, left_s))
