"""What people should know now: the alerts that hold, and who tells them.

`alerts` has one record an alert, as long as it holds. `alert:{kind}:{source}` is the mark that it was told: until
the mark ends nobody tells it again. The mark is short while somebody is telling, and long once it is told.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated


class Alert(Struct, frozen=True, kw_only=True):
    """Something that a person should look at."""

    kind: str
    source: str
    """Name of the source it is about, or ""."""

    since_ms: int
    text: str
    """One sentence or two."""

    data: dict[str, Any] = {}
    ends_ms: int = 0
    """When it is forgotten by itself; 0 for one that holds until it is ended."""

    @property
    def name(self) -> str:
        """What makes it the same alert."""
        return f"{self.kind}:{self.source}"

    def since(self, since_ms: int) -> Alert:
        """The same alert, begun then."""
        return msgspec.structs.replace(self, since_ms=since_ms)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Alert).decode


async def raise_alert(redis: Client, alert: Alert, *, mark_ms: int) -> bool:
    """Record that an alert holds; True for the one caller who is to tell it, then `told`. Raises BrokerError."""
    with translated():
        return bool(await scripts.RAISE_ALERT(redis, alert.name, _encode(alert), mark_ms))


async def keep_mark(redis: Client, alert: Alert, *, mark_ms: int) -> None:
    """It was told: not again for so long. Raises BrokerError."""
    with translated():
        await redis.set(redis.names.alert + alert.name, "1", px=mark_ms)


async def end_alert(redis: Client, alert: Alert) -> bool:
    """Record that an alert holds no longer; True for the one caller who is to tell so. Raises BrokerError."""
    with translated():
        return bool(await scripts.END_ALERT(redis, alert.name))


async def current_alerts(redis: Client, *, now_ms: int) -> list[Alert]:
    """The alerts that hold, the oldest first. Raises BrokerError."""
    with translated():
        found: list[bytes] = await redis.hvals(redis.names.alerts)  # type: ignore[misc]
    alerts = [alert for alert in map(_alert, found) if alert is not None]
    return sorted((a for a in alerts if not a.ends_ms or a.ends_ms > now_ms), key=lambda a: (a.since_ms, a.name))


async def forget_ended(redis: Client, *, now_ms: int) -> None:
    """Remove the records of alerts whose own end has come, and those that nobody can read. Raises BrokerError."""
    with translated():
        found: dict[bytes, bytes] = await redis.hgetall(redis.names.alerts)  # type: ignore[misc]
        ended = [name for name, record in found.items() if _is_over(_alert(record), now_ms)]
        if ended:
            await redis.hdel(redis.names.alerts, *ended)  # type: ignore[misc,arg-type]


async def acquire_alert_lease(redis: Client, *, lasts_ms: int) -> bool:
    """Whether this caller looks for causes this time: one of all workers does. Raises BrokerError."""
    with translated():
        return bool(await scripts.ACQUIRE_ALERT_LEASE(redis, lasts_ms))


def _alert(record: bytes) -> Alert | None:
    """None for one that cannot be read."""
    try:
        return _decode(record[1:])
    except (ValueError, RecursionError):
        return None


def _is_over(alert: Alert | None, now_ms: int) -> bool:
    return alert is None or 0 < alert.ends_ms <= now_ms
