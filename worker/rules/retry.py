"""When a failed notification is tried again: pure arithmetic."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class RetrySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A channel's `retry` table."""

    attempts: Annotated[int, Meta(ge=1)] = 60
    """Tries in all, the first included. With the other defaults that is about a day."""

    horizon_s: Annotated[float, Meta(gt=0)] = 86_400.0
    """Seconds after the first try beyond which none is made."""

    base_s: Annotated[float, Meta(gt=0)] = 2.0
    """Upper bound of the first delay; it doubles with each attempt."""

    cap_s: Annotated[float, Meta(gt=0)] = 3600.0
    """Upper bound of every delay that Hookline chooses itself."""

    max_retry_after_s: Annotated[float, Meta(ge=0)] = 3600.0
    """Longest wait that the other side can ask for, as with Retry-After; one beyond it counts as this. 0 ignores
    what is asked for."""


def exponential(attempt: int, *, base_s: float, cap_s: float) -> float:
    """Upper bound in seconds of the delay after attempt number `attempt` (starts at 1)."""
    return min(cap_s, base_s * 2.0 ** min(attempt - 1, 64))


def full_jitter(bound_s: float, draw: float) -> float:
    """A delay anywhere up to the bound; `draw` is uniform in 0..1."""
    return bound_s * draw


def delay_s(
    settings: RetrySettings, *, attempt: int, age_s: float, retry_after_s: float, draw: float
) -> float | None:
    """Seconds until the next try, or None when attempts or horizon are used up.

    attempt: the number of the try that just failed (starts at 1); age_s: seconds since the first try;
    retry_after_s: what the other side asked for, 0 for nothing. No try comes before it, as far as it is believed;
    where it reaches beyond the horizon, a last try is made at the horizon.
    """
    if attempt >= settings.attempts:
        return None
    own = full_jitter(exponential(attempt, base_s=settings.base_s, cap_s=settings.cap_s), draw)
    left_s = settings.horizon_s - age_s
    if own > left_s:
        return None
    return max(own, min(retry_after_s, settings.max_retry_after_s, left_s))
