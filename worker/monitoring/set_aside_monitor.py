"""Notifies people of keys in Redis that held what Hookline never writes there, and were moved aside."""

from __future__ import annotations

from broker.monitoring.alerts import Alert, current_alerts
from broker.namespace.set_aside import SHOWN, SetAside, read_set_aside
from broker.redis.client import Client
from worker.monitoring.alerts import Alerts

KIND = "set_aside"

_NAMED = 5
_MOST_CHARS = 120


class SetAsideGuard:
    """Holds an alert for as long as there are such keys: until a person has looked at them and deleted them."""

    def __init__(self, redis: Client, alerts: Alerts) -> None:
        self._redis = redis
        self._alerts = alerts

    async def look(self, now_ms: int) -> None:
        """Raise the alert, or end it. Safe at any time, and for several at once. Raises BrokerError."""
        moved = await read_set_aside(self._redis)
        if moved:
            await self._alerts.hold(_alert(moved), now_ms=now_ms)
            return
        for alert in await current_alerts(self._redis, now_ms=now_ms):
            if alert.kind == KIND:
                await self._alerts.end(alert, "the keys that were moved aside in Redis are deleted")


def _alert(moved: list[SetAside]) -> Alert:
    count = "1 key" if len(moved) == 1 else f"{len(moved)}{' or more' if len(moved) == SHOWN else ''} keys"
    names = [_short(key.name) for key in moved[:_NAMED]]
    more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
    return Alert(
        kind=KIND,
        source="",
        since_ms=moved[-1].at_ms,
        text=f"{count} in Redis held what Hookline never writes there and moved aside: {', '.join(names)}{more}. "
        "Find out who wrote them, look at them, then delete them",
        data={"keys": [_short(key.name) for key in moved]},
    )


def _short(name: str) -> str:
    """Another hand may have chosen the name."""
    shown = "".join(char if char.isprintable() else "?" for char in name[: _MOST_CHARS + 1])
    return shown if len(shown) <= _MOST_CHARS else f"{shown[:_MOST_CHARS]}…"
