"""Visits of users whom a proxy signs in: these have no session, and still each of their visits is recorded."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from cachetools import TTLCache

MOST = 1000
"""Most users that are remembered. Beyond it the least recently used one is forgotten, and recorded again."""


class Visits:
    """The users who were here within `idle_s` seconds."""

    def __init__(self, idle_s: float, *, clock: Callable[[], float] = monotonic) -> None:
        self._seen: TTLCache[str, bool] = TTLCache(MOST, idle_s, timer=clock)

    def is_new(self, name: str) -> bool:
        """Return whether this request begins a visit. The next one begins after `idle_s` without a request."""
        is_new = name not in self._seen
        self._seen.pop(name, None)
        self._seen[name] = True
        return is_new
