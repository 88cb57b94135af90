"""Normalizes search terms: those found in a body, and those that people type."""

from __future__ import annotations

import re
from unicodedata import normalize

MAX_TERMS = 12
"""Limit on the terms of one body. Each takes 35 bytes of Redis for a dead letter."""

MAX_CHARS = 254
"""Limit on the characters of a term: that of an e-mail address (RFC 5321); ids and codes are shorter."""


_PHONE = re.compile(r"(?=(?:[^0-9]*[0-9]){7})\+?[0-9 ().\-/\u00a0]+")
_MAX_PHONE_CHARS = 40
_COUNTRY = re.compile(r"(?:\+|00)+")


def term(text: str) -> str:
    """The normalized form of a text: without surrounding space, and independent of case and Unicode composition.

    A phone number becomes its digits, without the prefix of an international one. Returns "" for text that cannot
    be searched: empty, longer than MAX_CHARS, or with control characters. Normalizing a term again changes
    nothing.
    """
    current = _digits(text.strip())
    if not current.isprintable() or len(current) > MAX_CHARS:
        return ""
    folded = normalize("NFC", current.casefold())
    while folded != current:  # composing may produce characters that fold once more
        current, folded = folded, normalize("NFC", folded.casefold())
    return current if len(current) <= MAX_CHARS and current.isprintable() else ""


def _digits(text: str) -> str:
    """The digits of a phone number, from its country code on; any other text unchanged."""
    if len(text) > _MAX_PHONE_CHARS or not _PHONE.fullmatch(text):
        return text
    digits = "".join(character for character in text if character in "+0123456789")
    return _COUNTRY.sub("", digits, count=1) if _COUNTRY.match(digits) else digits
