"""Webhooks answered with an error, by source: collected in memory, told to Redis about once a second.

The provider counts every answer but a 2xx as a failed try, so it matters since when there was none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from broker.monitoring.source_health import SourceFacts, Streak, note_failures
from broker.redis.client import Client
from broker.redis.errors import BrokerError

_TIMEOUT_S = 1.0
_NO_TRY = 405
"""Somebody looked at the address with a browser, say: providers POST."""


class ErrorStreaks:
    """One process' answers that Redis does not know of yet; while it is away they wait here."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._unreported: dict[tuple[str, str], Streak] = {}

    def note(self, status: int, source: str, *, now_ms: int | None = None) -> None:
        """Count an answer to a webhook of this source; "" is for none that is configured."""
        if source and status >= 400 and status != _NO_TRY:
            at_ms = self._redis.clock.now_ms() if now_ms is None else now_ms
            self._add([Streak(source, "failing" if status >= 500 else "refused", at_ms, at_ms, 1, status)])

    async def tell(self) -> None:
        """Tell what came since the last time. What Redis did not take stays for the next one."""
        if not self._unreported:
            return
        telling, self._unreported = list(self._unreported.values()), {}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await note_failures(self._redis, telling)
        except (BrokerError, TimeoutError):
            self._add(telling)
        except asyncio.CancelledError:
            self._add(telling)
            raise

    def facts(self, sources: Iterable[str]) -> dict[str, SourceFacts]:
        """What this process knows by itself, for as long as Redis cannot be asked."""
        return {source: self._facts(source) for source in sources}

    def _facts(self, source: str) -> SourceFacts:
        failing, refused = self._unreported.get((source, "failing")), self._unreported.get((source, "refused"))
        return SourceFacts(
            failing_since_ms=failing.first_ms if failing else 0,
            failing_last_ms=failing.last_ms if failing else 0,
            failing_answers=failing.answers if failing else 0,
            failing_status=failing.status if failing else 0,
            refused_since_ms=refused.first_ms if refused else 0,
            refused_last_ms=refused.last_ms if refused else 0,
            refused_answers=refused.answers if refused else 0,
            refused_status=refused.status if refused else 0,
        )

    def _add(self, streaks: Iterable[Streak]) -> None:
        for streak in streaks:
            known = self._unreported.get((streak.source, streak.kind))
            self._unreported[streak.source, streak.kind] = _joined(known, streak) if known else streak


def _joined(one: Streak, other: Streak) -> Streak:
    first, last = (one, other) if one.last_ms <= other.last_ms else (other, one)
    return Streak(
        source=one.source,
        kind=one.kind,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=last.last_ms,
        answers=first.answers + last.answers,
        status=last.status,
    )
