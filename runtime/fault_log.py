"""Going on after a fault that nobody foresaw: it is logged, and costs one round of a loop."""

from __future__ import annotations

import logging
import time

_PERIOD_S = 300.0
_MOST = 100
"""Places that are remembered: beyond, all are forgotten, and logged once more."""


class Faults:
    """What one loop of a process logs of its faults: each with its traceback, once in five minutes."""

    def __init__(self, log: logging.Logger, what: str, *, action: str) -> None:
        """what: the loop could not do, as the log line begins; action: of the line."""
        self._log = log
        self._what = what
        self._action = action
        self._until: dict[tuple[str, int], float] = {}

    def note(self, error: Exception) -> None:
        """Log a fault, unless the same one, of the same line of code, was logged lately."""
        now = time.monotonic()
        place = (type(error).__name__, _line(error))
        if now < self._until.get(place, 0.0):
            return
        if len(self._until) >= _MOST:
            self._until.clear()
        self._until[place] = now + _PERIOD_S
        text = "%s: %s (not logged again for 5 minutes)"
        self._log.error(text, self._what, type(error).__name__, exc_info=error, extra={"action": self._action})


def _line(error: BaseException) -> int:
    """Where it was raised; of a group, its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    traceback, line = error.__traceback__, 0
    while traceback is not None:
        line, traceback = traceback.tb_lineno, traceback.tb_next
    return line
