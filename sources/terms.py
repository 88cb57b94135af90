"""What people look for a body by: one form of it, the same for what a body says and for what somebody types."""

from __future__ import annotations

from unicodedata import normalize

MAX_TERMS = 8
"""Terms of one body: each costs a dead letter 35 bytes of Redis."""

MAX_CHARS = 254
"""As long as an e-mail address gets (RFC 5321); ids and codes are shorter."""


def term(text: str) -> str:
    """The text as it is looked for: without the space around it, in whatever case and composition it came.

    "" for what nobody can look for: nothing, more than MAX_CHARS, line breaks and other control characters. A term
    is its own term.
    """
    found = text.strip()
    if not found.isprintable() or len(found) > MAX_CHARS:
        return ""
    folded = normalize("NFC", found.casefold())
    while folded != found:  # composing may bring up what folds once more
        found, folded = folded, normalize("NFC", folded.casefold())
    return found if len(found) <= MAX_CHARS and found.isprintable() else ""
