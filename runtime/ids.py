"""Ids that sort by time."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """17 characters: 9 of the time in ms, 8 of chance (40 bits), in base 32 without look-alikes."""
    return _base32(time.time_ns() // 1_000_000, 9) + _base32(secrets.randbits(40), 8)


def is_id(text: str) -> bool:
    """Whether a text has the form of an id, so that it may become part of a key."""
    return len(text) == 17 and set(text) <= set(_ALPHABET)


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
