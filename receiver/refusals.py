"""Refused webhooks: counted at once, told to Redis and to the log about once a second."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from arq.connections import ArqRedis

from broker.errors import BrokerError
from broker.stats import add_refused

_TIMEOUT_S = 1.0
_logger = logging.getLogger("hookline.receiver")


class Refusals:
    """A flood of refused webhooks costs one line and one write a second, not one each."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._untold: Counter[str] = Counter()
        self._unlogged: Counter[tuple[int, str]] = Counter()

    def note(self, code: int, reason: str) -> None:
        """Count one. The reason must not hold anything that the sender wrote: it is logged."""
        self._untold[str(code)] += 1
        self._unlogged[code, reason] += 1

    async def report(self) -> None:
        """Log and store what came since the last report. What Redis did not take stays for the next one."""
        self._log()
        if not self._untold:
            return
        telling, self._untold = self._untold, Counter()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await add_refused(self._redis, telling)
        except (BrokerError, TimeoutError):
            self._untold += telling
        except asyncio.CancelledError:
            self._untold += telling
            raise

    def _log(self) -> None:
        for (code, reason), count in self._unlogged.items():
            _logger.warning(
                "refused %d: %s (%d x)",
                code,
                reason,
                count,
                extra={"action": "webhook_refused", "status": code, "reason": reason, "count": count},
            )
        self._unlogged.clear()
