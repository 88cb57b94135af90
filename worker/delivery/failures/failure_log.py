"""The log lines of attempts that failed: a few for each cause, however many notifications fail."""

from __future__ import annotations

import logging
from time import monotonic

_PERIOD_S = 10.0
_MOST = 1000
"""Limit on the remembered causes; beyond it all are forgotten."""


class FailureLog:
    """Chooses the level of a line: the first of each cause in ten seconds is seen, the others at debug only."""

    # A target that is down fails thousands of notifications alike. Their number is in the summary of the worker's
    # work, and in the metrics.

    def __init__(self) -> None:
        self._until: dict[tuple[str, ...], float] = {}

    def level(self, level: int, *cause: str) -> int:
        """Return this level for the first line of a cause in ten seconds, DEBUG for the others."""
        now_s = monotonic()
        if now_s < self._until.get(cause, 0.0):
            return logging.DEBUG
        if len(self._until) >= _MOST:
            self._until.clear()
        self._until[cause] = now_s + _PERIOD_S
        return level
