"""CSRF tokens of forms, computed from a cookie of the browser, so that none needs to be stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets


class Tokens:
    """The form tokens of one process. Tokens of another process, or from before a restart, are not valid."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def token_for(self, holder: str) -> str:
        """The token for a cookie's value."""
        return hmac.new(self._key, holder.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def is_for(self, holder: str, token: str) -> bool:
        """Return whether a token belongs to a cookie's value. The time does not depend on the token."""
        return equal_in_constant_time(token, self.token_for(holder))


def new_id() -> str:
    """An id of 256 random bits, safe in URLs."""
    return secrets.token_urlsafe(32)


def equal_in_constant_time(first: str | bytes, second: str | bytes) -> bool:
    """Return whether two secrets are equal. The time depends neither on their content nor on their length."""
    return hmac.compare_digest(_digest(first), _digest(second))


def _digest(text: str | bytes) -> bytes:
    content = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return hashlib.sha256(content).digest()
