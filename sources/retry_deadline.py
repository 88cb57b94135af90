"""How long a provider retries: pure arithmetic on its published retry schedule.

A schedule lists the seconds after the first try at which a provider retries a failed webhook. After the last of
them it gives up, and some providers disable the webhook. The first try itself is not counted. Of a schedule with
one time, only the end is known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime

from sources.provider import Provider


def tries_used(schedule_s: Sequence[float], outage_s: float) -> int:
    """Retries that a webhook has used up which failed first at the beginning of an outage."""
    return bisect_right(schedule_s, outage_s)


def tries_left(schedule_s: Sequence[float], outage_s: float) -> int:
    """Retries that such a webhook has left."""
    return len(schedule_s) - tries_used(schedule_s, outage_s)


def disabled_at_ms(schedule_s: Sequence[float], since_ms: int) -> int | None:
    """When the last retry of such a webhook is due (ms since 1970); None for a provider that never gives up."""
    return since_ms + round(schedule_s[-1] * 1000) if schedule_s else None


def is_past_the_last_try(kind: Provider, since_ms: int, until_ms: int) -> bool:
    """True if an outage lasted so long that the provider may have disabled the webhook."""
    last_ms = disabled_at_ms(kind.retry_schedule_s, since_ms)
    return last_ms is not None and until_ms >= last_ms


def warning(kind: Provider, since_ms: int, now_ms: int) -> str:
    """The consequence of a continuing outage, in one sentence; "" if it has none."""
    last_ms = disabled_at_ms(kind.retry_schedule_s, since_ms)
    if last_ms is None:
        return ""
    if now_ms >= last_ms:
        return f"{kind.title} has used up its tries since {clock(last_ms)}: {kind.disabled_advice}"
    if len(kind.retry_schedule_s) == 1:
        return f"{kind.title} gives up at about {clock(last_ms)}, and may disable this webhook"
    left = tries_left(kind.retry_schedule_s, (now_ms - since_ms) / 1000)
    tries = "1 try" if left == 1 else f"{left} tries"
    return f"about {tries} (until {clock(last_ms)}) before {kind.title} gives up and may disable this webhook"


def clock(ms: int) -> str:
    """A time in UTC to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
