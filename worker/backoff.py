"""Waiting while Redis is not reachable."""

from __future__ import annotations

import asyncio
import logging
import time

from broker.redis.errors import BrokerError

log = logging.getLogger("hookline.worker")

_FIRST_DELAY_S = 0.05
_MAX_DELAY_S = 2.0
_LOG_EVERY_S = 60.0
"""A lasting error, such as a missing permission, is logged this often."""


class Backoff:
    """Growing waits while Redis is not reachable, logged when they begin and then once a period."""

    def __init__(self, what: str, *, log_every_s: float = _LOG_EVERY_S) -> None:
        """what: the work that waits, as the log line begins."""
        self._what = what
        self._log_every_s = log_every_s
        self._delay_s = 0.0
        self._next_log_s = 0.0

    async def wait(self, error: BrokerError, stop: asyncio.Event) -> None:
        """Wait twice as long as last time, at most 2 s, or until `stop` is set."""
        now_s = time.monotonic()
        if not self._delay_s or now_s >= self._next_log_s:
            self._next_log_s = now_s + self._log_every_s
            log.warning("%s: %s", self._what, error, extra={"action": "redis_away"})
        self._delay_s = min(_MAX_DELAY_S, self._delay_s * 2 or _FIRST_DELAY_S)
        try:
            async with asyncio.timeout(self._delay_s):
                await stop.wait()
        except TimeoutError:
            return

    def reset(self) -> None:
        """Redis answered: the next wait is short again."""
        if self._delay_s:
            log.info("Redis is back", extra={"action": "redis_back"})
        self._delay_s = 0.0
