"""Notifies people of hosts whose clock is off from that of Redis."""

from __future__ import annotations

from broker.monitoring.alerts import Alert, current_alerts
from broker.redis.client import Client
from broker.redis.clock import OFF_MS, OffClock, off_clocks
from worker.monitoring.alerts import Alerts

KIND = "clock"

_NAMED = 5


async def look_at_clocks(redis: Client, alerts: Alerts, now_ms: int) -> None:
    """Raise the alert while a clock is off, then end it. Safe for several at once. Raises BrokerError."""
    known = [alert for alert in await current_alerts(redis, now_ms=now_ms) if alert.kind == KIND]
    off = await off_clocks(redis)
    if off:
        since_ms = known[0].since_ms if known else now_ms
        await alerts.hold(_alert(off, since_ms), now_ms=now_ms)
        return
    for alert in known:
        await alerts.end(alert, "the clocks of all hosts agree with that of Redis again")


def _alert(off: list[OffClock], since_ms: int) -> Alert:
    named = ", ".join(f"{one.process} by {one.ahead_ms / 1000:+.1f} s" for one in off[:_NAMED])
    more = f" and {len(off) - _NAMED} more" if len(off) > _NAMED else ""
    text = f"clocks are more than {OFF_MS // 1000} s off from that of Redis: {named}{more}; set them by NTP"
    return Alert(
        kind=KIND,
        source="",
        since_ms=since_ms,
        text=text,
        data={"processes": {one.process: one.ahead_ms for one in off[:_NAMED]}},
    )
