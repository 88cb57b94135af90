"""Times as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_AGO = re.compile(r"([0-9]{1,6}) ?(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment_of(text: str, *, now_ms: int) -> int:
    """Ms since 1970 of `2h` (ago: s, m or min, h, d, w) or of an ISO 8601 time, in UTC where it names no zone.

    A date alone is its first moment. Raises ValueError: one sentence.
    """
    text = text.strip()
    ago = _AGO.fullmatch(text)
    if ago:
        return max(1, now_ms - int(ago[1]) * _SECONDS[ago[2]] * 1000)
    try:
        at = datetime.fromisoformat(text)
        ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        ms = 0
    if ms <= 0:
        raise ValueError(
            f"{text!r} is no time: say 2026-01-31, 2026-01-31T12:00, or how long ago: 90s, 15m, 2h, 3d"
        )
    return ms


def rate_of(text: str) -> float:
    """Times a second, of `50/s`, `600/min`, `1000/h` or `50`. Raises ValueError: one sentence."""
    number, _, unit = text.strip().partition("/")
    seconds = _SECONDS.get(unit.strip() or "s")
    try:
        rate = float(number) / (seconds or 1)
    except ValueError:
        rate = 0.0
    if not seconds or not 1e-4 <= rate <= 1e6:
        raise ValueError(f"{text!r} is no rate: say 50/s or 600/min")
    return rate
