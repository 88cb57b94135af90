"""Raises an alert about Redis keys that held values which Hookline never writes, and that were moved aside."""

from __future__ import annotations

from broker.monitoring.alerts import Alert, current_alerts
from broker.namespace.set_aside import SHOWN, SetAside, read_set_aside
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions
from worker.monitoring.alerts import Alerts

KIND = "set_aside"

_NAMED = 5
_MOST_CHARS = 120


class SetAsideMonitor:
    """Raises the alert for as long as there are such keys: until an operator has inspected and deleted them."""

    def __init__(self, partitions: Partitions, alerts: Alerts) -> None:
        self._partitions = partitions
        self._alerts = alerts

    async def check(self, now_ms: int) -> None:
        """Raise the alert or end it. Several workers may do so at a time. Raises BrokerError."""
        answers = await ask_all(self._partitions, read_set_aside)
        moved = sorted((key for each in answers for key in each), key=lambda key: key.at_ms, reverse=True)[:SHOWN]
        if moved:
            await self._alerts.hold(_alert(moved), now_ms=now_ms)
            return
        if answers.away:  # the keys may be there
            return
        for alert in await current_alerts(self._partitions.control, now_ms=now_ms):
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
        text=f"{count} in Redis held unexpected values and were moved aside: {', '.join(names)}{more}. "
        "Find out which program wrote them, inspect them, then delete them",
        data={"keys": [_short(key.name) for key in moved]},
    )


def _short(name: str) -> str:
    """The name for a text. Another program may have chosen it, so it is shortened and escaped."""
    shown = "".join(char if char.isprintable() else "?" for char in name[: _MOST_CHARS + 1])
    return shown if len(shown) <= _MOST_CHARS else f"{shown[:_MOST_CHARS]}…"
