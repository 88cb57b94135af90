"""Logs defects in background loops, which continue after them."""

from __future__ import annotations

import logging
import time

_PERIOD_S = 300.0
_MOST = 100
"""Limit on the remembered places in the code; beyond it all are forgotten and may be logged again."""


class Faults:
    """The defects of one loop: each is logged with its traceback, once in five minutes."""

    def __init__(self, log: logging.Logger, what: str, *, action: str) -> None:
        """what: how the log line begins, such as "digests were not closed"; action: the action of the line."""
        self._log = log
        self._what = what
        self._action = action
        self._until: dict[tuple[str, int], float] = {}

    def note(self, error: Exception) -> None:
        """Log a defect, unless the same error from the same line of code was logged within five minutes."""
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
    """The line of code that raised the error; for a group, that of its first error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    traceback, line = error.__traceback__, 0
    while traceback is not None:
        line, traceback = traceback.tb_lineno, traceback.tb_next
    return line
