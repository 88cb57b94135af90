"""Error responses by source: counted in memory, and reported to Redis about once a second.

The provider counts every response except 2xx as a failed try. So Hookline records when the errors of a source
began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from broker.monitoring.source_health import SourceFacts, Streak, note_failures
from broker.redis.client import Client
from broker.redis.errors import BrokerError

_TIMEOUT_S = 1.0

# Providers POST, so that this status comes from other clients, such as a browser.
_NO_TRY = 405
"""A status that counts as no try of the provider."""


class ErrorStreaks:
    """The error responses of one process that are not reported to Redis yet."""

    def __init__(self, of_control: Callable[[], Client]) -> None:
        """`of_control`: the client to report to now, see `PartitionWriters.of_control`."""
        self._of_control = of_control
        self._unreported: dict[tuple[str, str], Streak] = {}

    def note(self, status: int, source: str, *, now_ms: int | None = None) -> None:
        """Count a response to a webhook of this source; "" means an unknown source."""
        if source and status >= 400 and status != _NO_TRY:
            at_ms = self._of_control().clock.now_ms() if now_ms is None else now_ms
            self._add([Streak(source, "failing" if status >= 500 else "refused", at_ms, at_ms, 1, status)])

    async def report(self) -> None:
        """Report the new error responses. Those that Redis did not accept stay for the next report."""
        if not self._unreported:
            return
        reported, self._unreported = list(self._unreported.values()), {}
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await note_failures(self._of_control(), reported)
        except (BrokerError, TimeoutError):
            self._add(reported)
        except asyncio.CancelledError:
            self._add(reported)
            raise

    def facts(self, sources: Iterable[str]) -> dict[str, SourceFacts]:
        """The facts that this process has by itself, for the time when Redis is away."""
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
            earlier = self._unreported.get((streak.source, streak.kind))
            self._unreported[streak.source, streak.kind] = _joined(earlier, streak) if earlier else streak


def _joined(left: Streak, right: Streak) -> Streak:
    first, last = (left, right) if left.last_ms <= right.last_ms else (right, left)
    return Streak(
        source=left.source,
        kind=left.kind,
        first_ms=min(left.first_ms, right.first_ms),
        last_ms=last.last_ms,
        answers=first.answers + last.answers,
        status=last.status,
    )
