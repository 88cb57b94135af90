"""The active alerts, and which worker sends them.

The hash `alerts` has one record for each active alert. The key `alert:{kind}:{source}` is a mark with an expiry:
as long as it exists, no worker sends this alert. The mark expires soon while a worker is sending the alert, and
late after the alert was sent.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.leases import take_lease
from broker.redis.scripting.scripts import COUNTERS, FULL, LEASE, Script
from runtime.ids import new_id

_RAISE_ALERT = Script(
    "monitoring/raise_alert",
    parts=(FULL, COUNTERS, LEASE),
    keys=("alerts", "alert:name"),
    args=("name", "record", "mark_ms: number"),
)
_END_ALERT = Script("monitoring/end_alert", keys=("alerts",), args=("name",))


class Alert(Struct, frozen=True, kw_only=True):
    """A problem that a person should look at."""

    kind: str
    source: str
    """The name of the source, channel or partition that the alert concerns, or ""."""

    since_ms: int
    """When the problem started, in ms since 1970."""

    text: str
    """The description of the problem, in one or two sentences."""

    data: dict[str, Any] = {}
    ends_ms: int = 0
    """When the alert ends by itself, in ms since 1970; 0 if it stays active until the problem is solved."""

    @property
    def name(self) -> str:
        """The identity of the alert: two alerts with the same name are the same alert."""
        return f"{self.kind}:{self.source}"

    def since(self, since_ms: int) -> Alert:
        """Return this alert with another start time."""
        return msgspec.structs.replace(self, since_ms=since_ms)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Alert).decode


async def raise_alert(redis: Client, alert: Alert, *, mark_ms: int) -> bool:
    """Record that an alert is active. Returns True for the one caller that must send it.

    That caller calls `keep_mark` afterwards. mark_ms: for how long no other worker sends the alert, in case the
    caller dies. Raises BrokerError.
    """
    with translated():
        return bool(await _RAISE_ALERT(redis, name=alert.name, record=_encode(alert), mark_ms=mark_ms))


async def keep_mark(redis: Client, alert: Alert, *, mark_ms: int) -> None:
    """Record that an alert was sent, so that it is not sent again for `mark_ms`. Raises BrokerError."""
    with translated():
        await redis.set(redis.names.alert + alert.name, "1", px=mark_ms)


async def end_alert(redis: Client, alert: Alert) -> bool:
    """Record that an alert is no longer active.

    Returns True for the one caller that must report the end, and only if the alert was sent. Raises BrokerError.
    """
    with translated():
        return bool(await _END_ALERT(redis, name=alert.name))


async def current_alerts(redis: Client, *, now_ms: int) -> list[Alert]:
    """Return the active alerts, the oldest first. Raises BrokerError."""
    with translated():
        records: list[bytes] = await redis.hvals(redis.names.alerts)  # type: ignore[misc]
    alerts = [alert for alert in map(_alert, records) if alert is not None]
    return sorted((a for a in alerts if not a.ends_ms or a.ends_ms > now_ms), key=lambda a: (a.since_ms, a.name))


async def forget_ended(redis: Client, *, now_ms: int) -> None:
    """Remove the records of alerts that have ended by themselves, or cannot be read. Raises BrokerError."""
    with translated():
        records: dict[bytes, bytes] = await redis.hgetall(redis.names.alerts)  # type: ignore[misc]
        ended = [name for name, record in records.items() if _is_over(_alert(record), now_ms)]
        if ended:
            await redis.hdel(redis.names.alerts, *ended)  # type: ignore[misc,arg-type]


async def acquire_alert_lease(redis: Client, *, lasts_ms: int) -> bool:
    """Return True if this worker must check the alert conditions now: one of all workers does.

    lasts_ms: for how long no other worker does. Raises BrokerError.
    """
    # A new owner each time: this lease ends by itself alone, so that its holder does not get it again either.
    return await take_lease(redis, redis.names.alert_lease, owner=new_id(), lasts_ms=lasts_ms)


def _alert(record: bytes) -> Alert | None:
    """Return the alert in a record, or None if it cannot be read."""
    try:
        return _decode(record[1:])
    except (ValueError, RecursionError):
        return None


def _is_over(alert: Alert | None, now_ms: int) -> bool:
    return alert is None or 0 < alert.ends_ms <= now_ms
