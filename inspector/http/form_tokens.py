"""Tokens that a form carries to prove that it is one of ours: made from what only that browser has, never kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets


class Tokens:
    """Of one process: those of another, or of before its restart, are not taken."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def token_for(self, holder: str) -> str:
        """The token that belongs to a cookie's value."""
        return hmac.new(self._key, holder.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def is_for(self, holder: str, token: str) -> bool:
        """Whether it is, told in a time that says nothing of the right one."""
        return same(token, self.token_for(holder))


def new_id() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def same(given: str | bytes, known: str | bytes) -> bool:
    """Compared in a time that depends on neither: digests of both are, so that lengths do not show."""
    return hmac.compare_digest(_digest(given), _digest(known))


def _digest(text: str | bytes) -> bytes:
    content = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return hashlib.sha256(content).digest()
