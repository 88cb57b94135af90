"""What people look for a body by: one form of it, the same for what a body says and for what somebody types."""

from __future__ import annotations

import re
from unicodedata import normalize

MAX_TERMS = 12
"""Terms of one body: each costs a dead letter 35 bytes of Redis."""

MAX_CHARS = 254
"""As long as an e-mail address gets (RFC 5321); ids and codes are shorter."""


_PHONE = re.compile(r"(?=(?:[^0-9]*[0-9]){7})\+?[0-9 ().\-/\u00a0]+")
_MAX_PHONE_CHARS = 40
_COUNTRY = re.compile(r"(?:\+|00)+")


def term(text: str) -> str:
    """The text as it is looked for: without the space around it, in whatever case and composition it came.

    What reads as a phone number is looked for by its digits, without what marks an international one. "" for what
    nobody can look for: nothing, more than MAX_CHARS, line breaks and other control characters. A term is its own
    term.
    """
    found = _digits(text.strip())
    if not found.isprintable() or len(found) > MAX_CHARS:
        return ""
    folded = normalize("NFC", found.casefold())
    while folded != found:  # composing may bring up what folds once more
        found, folded = folded, normalize("NFC", folded.casefold())
    return found if len(found) <= MAX_CHARS and found.isprintable() else ""


def _digits(text: str) -> str:
    """The digits of a phone number, from the country code on where it has one; any other text as it is."""
    if len(text) > _MAX_PHONE_CHARS or not _PHONE.fullmatch(text):
        return text
    digits = "".join(character for character in text if character in "+0123456789")
    return _COUNTRY.sub("", digits, count=1) if _COUNTRY.match(digits) else digits
