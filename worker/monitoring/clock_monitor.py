"""Raises an alert about hosts whose clock differs from that of Redis."""

from __future__ import annotations

from broker.monitoring.alerts import Alert, current_alerts
from broker.redis.client import Client
from broker.redis.clock import OFF_MS, OffClock, off_clocks
from worker.monitoring.alerts import Alerts

KIND = "clock"

_NAMED = 5


async def check_clocks(redis: Client, alerts: Alerts, now_ms: int) -> None:
    """Raise the alert while a clock differs, then end it.

    Several workers may do so at a time. Raises BrokerError.
    """
    current = [alert for alert in await current_alerts(redis, now_ms=now_ms) if alert.kind == KIND]
    off = await off_clocks(redis)
    if off:
        since_ms = current[0].since_ms if current else now_ms
        await alerts.hold(_alert(off, since_ms), now_ms=now_ms)
        return
    for alert in current:
        await alerts.end(alert, "the clocks of all hosts agree with that of Redis again")


def _alert(off: list[OffClock], since_ms: int) -> Alert:
    named = ", ".join(f"{clock.process} by {clock.ahead_ms / 1000:+.1f} s" for clock in off[:_NAMED])
    more = f" and {len(off) - _NAMED} more" if len(off) > _NAMED else ""
    limit_s = OFF_MS // 1000
    text = f"clocks differ by more than {limit_s} s from that of Redis: {named}{more}; synchronize them with NTP"
    return Alert(
        kind=KIND,
        source="",
        since_ms=since_ms,
        text=text,
        data={"processes": {clock.process: clock.ahead_ms for clock in off[:_NAMED]}},
    )
