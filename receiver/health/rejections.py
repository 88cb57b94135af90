"""Rejected webhooks: counted immediately, and reported to Redis and to the log about once a second."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from broker.monitoring.stats import add_refused
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from receiver.health.error_streaks import ErrorStreaks

_TIMEOUT_S = 1.0
log = logging.getLogger("hookline.receiver")


class Rejections:
    """Counts rejections, so that many of them cost one log line and one write per second, not one each."""

    def __init__(self, of_control: Callable[[], Client]) -> None:
        """`of_control`: the client to report to now, see `PartitionWriters.of_control`."""
        self._of_control = of_control
        self._unreported: Counter[str] = Counter()
        self._unlogged: Counter[tuple[int, str, str]] = Counter()
        self._last_address: dict[tuple[int, str, str], str] = {}
        self.error_streaks = ErrorStreaks(of_control)

    def note(self, code: int, reason: str, *, source: str = "", address: str = "") -> None:
        """Count a rejection. The reason is logged, so it must not contain anything that the sender wrote.

        `source`: the source of the webhook, "" if it is unknown. `address`: the address that an allow-list does
        not contain; the last one of a second is logged, since the operator needs it to correct the list.
        """
        self._unreported[str(code)] += 1
        self._unlogged[code, reason, source] += 1
        self.error_streaks.note(code, source)
        if address:
            self._last_address[code, reason, source] = address

    async def report(self) -> None:
        """Log and store the new rejections. Those that Redis did not accept stay for the next report."""
        self._log()
        await self._report_counts()
        await self.error_streaks.report()

    async def _report_counts(self) -> None:
        if not self._unreported:
            return
        reported, self._unreported = self._unreported, Counter()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await add_refused(self._of_control(), reported)
        except (BrokerError, TimeoutError):
            self._unreported += reported
        except asyncio.CancelledError:
            self._unreported += reported
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
            log.warning("refused %d%s: %s (%d x)%s", code, where, reason, count, what, extra=fields)
        self._unlogged.clear()
        self._last_address.clear()
