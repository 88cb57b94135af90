"""Reads numbers from Redis, where another program may have written any value."""

from __future__ import annotations

import math

_MOST = 2**53


def parse_int(value: bytes | str | float | None) -> int:
    """Return the integer part of a value; 0 for None, for a value that is not a number, and from 2^53 on."""
    try:
        number = float(value or 0)
    except ValueError:
        return 0
    if not math.isfinite(number) or abs(number) >= _MOST:
        return 0
    return int(number)
