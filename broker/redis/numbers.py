"""Numbers from Redis, where another hand may have written anything."""

from __future__ import annotations

import math

_MOST = 2**53


def whole(value: bytes | str | float | None) -> int:
    """The whole number that a value stands for; 0 for none, for what is no number, and for one beyond 2^53."""
    try:
        number = float(value or 0)
    except ValueError:
        return 0
    if not math.isfinite(number) or abs(number) >= _MOST:
        return 0
    return int(number)
