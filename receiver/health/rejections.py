"""Refused webhooks: counted at once, told to Redis and to the log about once a second."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from broker.monitoring.stats import add_refused
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from receiver.health.error_streaks import ErrorStreaks

_TIMEOUT_S = 1.0
_logger = logging.getLogger("hookline.receiver")


class Rejections:
    """A flood of refused webhooks costs one line and one write a second, not one each."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._unreported: Counter[str] = Counter()
        self._unlogged: Counter[tuple[int, str, str]] = Counter()
        self._last_address: dict[tuple[int, str, str], str] = {}
        self.streaks = ErrorStreaks(redis)

    def note(self, code: int, reason: str, *, source: str = "", address: str = "") -> None:
        """Count one. The reason must not hold anything that the sender wrote: it is logged.

        `source`: the one it was for, "" where there is none by that name. `address`: what an allow-list did not
        hold; the last one of a second is logged, since whoever is to mend it has to know which.
        """
        self._unreported[str(code)] += 1
        self._unlogged[code, reason, source] += 1
        self.streaks.note(code, source)
        if address:
            self._last_address[code, reason, source] = address

    async def report(self) -> None:
        """Log and store what came since the last report. What Redis did not take stays for the next one."""
        self._log()
        await self._tell()
        await self.streaks.tell()

    async def _tell(self) -> None:
        if not self._unreported:
            return
        telling, self._unreported = self._unreported, Counter()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await add_refused(self._redis, telling)
        except (BrokerError, TimeoutError):
            self._unreported += telling
        except asyncio.CancelledError:
            self._unreported += telling
            raise

    def _log(self) -> None:
        for (code, reason, source), count in self._unlogged.items():
            fields = {"action": "webhook_refused", "status": code, "reason": reason, "count": count}
            where, what = "", ""
            if source:
                where = f" at {source}"
                fields["source"] = source
            address = self._last_address.get((code, reason, source))
            if address:
                what = (
                    f", last from {address}: allow it in sources.{source}.addresses, "
                    "or in receiver.trusted_proxies if it is a proxy of yours"
                )
                fields["address"] = address
            _logger.warning("refused %d%s: %s (%d x)%s", code, where, reason, count, what, extra=fields)
        self._unlogged.clear()
        self._last_address.clear()
