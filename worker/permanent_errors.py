"""Rejections that waiting does not end, such as a missing permission of the Redis user."""

from __future__ import annotations

import logging
import time

from broker.redis.errors import BrokerError, Misconfigured

log = logging.getLogger("hookline.worker")

_EVERY_S = 60.0


class LastingFaults:
    """Logs them once a minute, for work that is tried again and again; what passes is for others to log."""

    def __init__(self, what: str, *, every_s: float = _EVERY_S) -> None:
        """what: the work that does not get done."""
        self._what = what
        self._every_s = every_s
        self._next_s = 0.0

    def note(self, error: BrokerError) -> bool:
        """Whether it is one of them; logs it where its time has come."""
        if not isinstance(error, Misconfigured):
            return False
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            log.error("%s: %s", self._what, error, extra={"action": "redis_refuses"})
        return True
