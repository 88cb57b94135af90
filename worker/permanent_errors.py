"""Errors of Redis that waiting does not end, such as a missing permission of the Redis user."""

from __future__ import annotations

import logging
import time

from broker.redis.errors import BrokerError, Misconfigured

log = logging.getLogger("hookline.worker")

_LOG_EVERY_S = 60.0


class PermanentErrorLog:
    """Logs permanent errors once a minute, for work that is retried all the time.

    Other errors are not logged here.
    """

    def __init__(self, what: str, *, every_s: float = _LOG_EVERY_S) -> None:
        """what: the work that is not done, as the log line begins."""
        self._what = what
        self._every_s = every_s
        self._next_s = 0.0

    def note(self, error: BrokerError) -> bool:
        """Log the error if it is permanent and none was logged lately. Returns whether it is permanent."""
        if not isinstance(error, Misconfigured):
            return False
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            log.error("%s: %s", self._what, error, extra={"action": "redis_refuses"})
        return True
