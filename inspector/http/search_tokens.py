"""Tokens for searches, so that an address of a page contains no e-mail address. Proxies log addresses."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from time import monotonic

from msgspec import Struct

FIELD = "search"
TOKEN_FIELD = "found"  # noqa: S105 - a name, not a secret
"""The parameter of an address that stands for FIELD of a form."""

MOST = 5000
"""Most searches. Beyond it the least recently used search is forgotten."""

KEPT_S = 12 * 3600.0
"""Seconds that a search is kept after its last use."""


class SearchExpiredError(ValueError):
    """The token of a search is unknown: it expired, belongs to another user, or the inspector was restarted."""


class _Search(Struct):
    user: str
    text: str
    used_s: float


class SearchTokens:
    """The searches of all users, in the memory of this process, by random tokens. Only their user can use them."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._searches: dict[str, _Search] = {}
        self._tokens: dict[tuple[str, str], str] = {}

    def for_address(self, user: str, form: Mapping[str, str], field: str = FIELD) -> dict[str, str]:
        """The fields of a form for an address: with a token instead of the search, the same one each time.

        field: the field of the search.
        """
        fields = dict(form)
        if text := fields.pop(field, ""):
            fields[TOKEN_FIELD] = self._token(user, text)
        return fields

    def from_address(self, user: str, query: Mapping[str, str], field: str = FIELD) -> dict[str, str]:
        """The fields of a form that an address stands for. Raises SearchExpiredError."""
        fields = dict(query)
        if token := fields.pop(TOKEN_FIELD, ""):
            fields[field] = self._text(user, token)
        return fields

    def _token(self, user: str, text: str) -> str:
        known = self._tokens.get((user, text), "")
        if known and self._use(known):
            return known
        if len(self._searches) >= MOST:
            self._forget(next(iter(self._searches)))
        token = secrets.token_urlsafe(16)
        self._searches[token] = _Search(user, text, self._clock())
        self._tokens[user, text] = token
        return token

    def _text(self, user: str, token: str) -> str:
        search = self._searches.get(token)
        if search is None or search.user != user or not self._use(token):
            raise SearchExpiredError("This search has expired. Search again.")
        return search.text

    def _use(self, token: str) -> bool:
        """Move a search to the end, as the most recently used one. Returns False if it has expired."""
        search = self._searches[token]
        if self._clock() - search.used_s > KEPT_S:
            self._forget(token)
            return False
        search.used_s = self._clock()
        self._searches[token] = self._searches.pop(token)
        return True

    def _forget(self, token: str) -> None:
        search = self._searches.pop(token)
        del self._tokens[search.user, search.text]
