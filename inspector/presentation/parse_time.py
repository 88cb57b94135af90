"""Times and rates as users type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_AGO = re.compile(r"([0-9]{1,6}) ?(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_time(text: str, *, now_ms: int) -> int:
    """A time in ms since 1970 from `2h` (ago; units s, m or min, h, d, w) or from ISO 8601.

    Without a time zone it is UTC. A date alone is its first moment. Raises ValueError with one sentence.
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
            f"{text!r} is not a time; write 2026-01-31, 2026-01-31T12:00, or how long ago: 90s, 15m, 2h, 3d"
        )
    return ms


def parse_duration_s(text: str) -> int:
    """A number of seconds from `90s`, `15m`, `6h` or `3d`. Raises ValueError with one sentence."""
    duration = _AGO.fullmatch(text.strip())
    if not duration:
        raise ValueError(f"{text!r} is not a duration; write 90s, 15m, 6h or 3d")
    return int(duration[1]) * _SECONDS[duration[2]]


def parse_rate(text: str) -> float:
    """A rate per second from `50/s`, `600/min`, `1000/h` or `50`. Raises ValueError with one sentence."""
    number, _, unit = text.strip().partition("/")
    seconds = _SECONDS.get(unit.strip() or "s")
    try:
        rate = float(number) / (seconds or 1)
    except ValueError:
        rate = 0.0
    if not seconds or not 1e-4 <= rate <= 1e6:
        raise ValueError(f"{text!r} is not a rate; write 50/s or 600/min")
    return rate
