"""One line of the log for all that a worker did in some seconds, whatever its amount."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from time import monotonic
from typing import TypeVar

from worker.counters import Counters

_Key = TypeVar("_Key")

log = logging.getLogger("hookline.worker")

_LOOK_S = 1.0
"""Seconds after which the first work after a pause is logged."""

_EVERY_S = 10.0
"""Seconds between two lines while there is work."""

_BODIES = {"processed": "processed", "duplicate": "duplicate", "dead_at_intake": "dead at intake"}
_OUTCOMES = {"sent": "sent", "skipped": "skipped", "retry": "to be retried", "dead": "dead"}


class WorkSummary:
    """Logs the differences of a process's counters."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._bodies: dict[str, int] = {}
        self._notifications: dict[tuple[str, str, str], int] = {}

    async def run(self) -> None:
        """Log what was done, at most every ten seconds, until cancelled; `log` shows the rest."""
        next_s = 0.0
        while True:
            await asyncio.sleep(_LOOK_S)
            if monotonic() >= next_s and self.log():
                next_s = monotonic() + _EVERY_S

    def log(self) -> bool:
        """Log what was done since the last call; returns whether there was anything."""
        bodies = _difference(self._counters.bodies, self._bodies)
        notifications = _difference(self._counters.notifications, self._notifications)
        if not bodies and not notifications:
            return False
        self._bodies, self._notifications = dict(self._counters.bodies), dict(self._counters.notifications)
        outcomes: dict[str, int] = {}
        channels: dict[str, dict[str, int]] = {}
        for (_, channel, outcome), count in notifications.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
            of_channel = channels.setdefault(channel, {})
            of_channel[outcome] = of_channel.get(outcome, 0) + count
        texts = [_text("webhooks", bodies, _BODIES), _text("notifications", outcomes, _OUTCOMES)]
        log.info(
            "%s",
            "; ".join(filter(None, texts)),
            extra={"action": "work_done", **bodies, **outcomes, **({"channels": channels} if channels else {})},
        )
        return True


def _difference(now: Mapping[_Key, int], before: Mapping[_Key, int]) -> dict[_Key, int]:
    return {key: count - before.get(key, 0) for key, count in now.items() if count != before.get(key, 0)}


def _text(what: str, counts: Mapping[str, int], names: Mapping[str, str]) -> str:
    parts = [f"{counts[key]} {name}" for key, name in names.items() if key in counts]
    return f"{what}: {', '.join(parts)}" if parts else ""
