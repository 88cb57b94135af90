"""Generates ids that sort by time."""

from __future__ import annotations

import secrets

from runtime.clock import now_ms

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id() -> str:
    """A new id of 17 characters: 9 for the time in ms and 8 random ones (40 bits), in base 32 without
    look-alikes."""
    return _base32(now_ms(), 9) + _base32(secrets.randbits(40), 8)


def is_id(text: str) -> bool:
    """True if a text has the form of an id, so that it may become part of a key."""
    return len(text) == 17 and set(text) <= set(_ALPHABET)


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
