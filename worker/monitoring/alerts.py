"""Alerts: notify people of conditions that they should look at.

An alert is one log line, and one message where `alerts.channel` is set. While its condition holds, it is sent
again once a period. The first worker that raises it sends it, and Redis keeps the other workers from sending it
too. When Redis is not reachable, each process sends it, with the same idempotency key.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping
from typing import Any, Literal

from broker.monitoring.alerts import Alert, end_alert, keep_mark, raise_alert
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from worker.channels.channel import Channel, send_once
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message
from worker.settings import AlertSettings

log = logging.getLogger("hookline.worker")

RULE = "alert"
EVENT = "hookline.alert."

_MAX_ATTEMPTS = 3
_ATTEMPT_S = 10.0
_PAUSE_S = 1.0
_SENDING_MS = 60_000
"""Milliseconds for which other workers leave an alert to the worker that sends it: longer than its attempts
take."""

State = Literal["raised", "over"]


class Alerts:
    """Sends alerts.

    Never raises and never makes a dead letter: an alert that cannot be sent is sent in a minute.
    """

    def __init__(self, redis: Client, channel: Channel | None, settings: AlertSettings) -> None:
        self._redis = redis
        self.reload(channel, settings)
        self._sent_alone: dict[str, float] = {}
        """By alert that was sent without Redis: the time (monotonic) until which it is not sent again."""

    def reload(self, channel: Channel | None, settings: AlertSettings) -> None:
        """Send alerts through this channel and by these settings."""
        self._channel = channel
        self._period_ms = int(settings.period_s * 1000)

    async def raise_alert(
        self, kind: str, source: str, text: str, data: Mapping[str, Any], *, holds_s: float = 0.0
    ) -> bool:
        """Raise an alert that begins now.

        True if it was sent; False if it was sent in this period, or cannot be sent. kind and source must come from
        a small, fixed set of names, since they make Redis keys. text: a sentence or two, without personal data.
        data: the facts, as JSON. holds_s: seconds for which `status` shows the alert; 0 for until `end`. An alert
        that is raised again within its period is shown, and not sent.
        """
        now_ms = self._redis.clock.now_ms()
        ends_ms = now_ms + int(holds_s * 1000) if holds_s else 0
        return await self.hold(
            Alert(kind=kind, source=source, since_ms=now_ms, text=text, data=dict(data), ends_ms=ends_ms)
        )

    async def hold(self, alert: Alert, *, now_ms: int | None = None, once: bool = False, about: str = "") -> bool:
        """Raise an alert whenever it began; must be called repeatedly while its condition holds.

        once: do not send it again in later periods; for an alert with an end. about: what the alert reports, where
        that may change within a period: the message's key then depends on it instead of the period.
        """
        now_ms = self._redis.clock.now_ms() if now_ms is None else now_ms
        mark_ms = alert.ends_ms - now_ms if once else self._period_ms
        try:
            return await self._hold(alert, mark_ms, about or str(now_ms // self._period_ms))
        except Exception:
            log.exception("an alert could not be raised", extra={"action": "alert_failed", "kind": alert.kind})
            return False

    async def end(self, alert: Alert, text: str) -> bool:
        """End an alert, with a text that says so. True if that was sent; it is sent only if the alert was."""
        try:
            sent_alone = self._sent_alone.pop(alert.name, None) is not None
            if not await self._end_in_redis(alert) and not sent_alone:
                return False
            return await self._send(alert, "over", text, f"{alert.since_ms}")
        except Exception:
            log.exception("an alert could not be ended", extra={"action": "alert_failed", "kind": alert.kind})
            return False

    async def _hold(self, alert: Alert, mark_ms: int, period: str) -> bool:
        if mark_ms <= 0:
            return False
        try:
            is_ours = await raise_alert(self._redis, alert, mark_ms=min(mark_ms, _SENDING_MS))
        except BrokerError:
            return await self._hold_alone(alert, mark_ms, period)
        if not is_ours:
            return False
        was_sent = await self._send(alert, "raised", alert.text, period)
        if was_sent:
            try:
                await keep_mark(self._redis, alert, mark_ms=mark_ms)
            except BrokerError:
                self._sent_alone[alert.name] = time.monotonic() + mark_ms / 1000
        return was_sent

    async def _hold_alone(self, alert: Alert, mark_ms: int, period: str) -> bool:
        if time.monotonic() < self._sent_alone.get(alert.name, 0.0):
            return False
        self._sent_alone[alert.name] = time.monotonic() + min(mark_ms, _SENDING_MS) / 1000
        was_sent = await self._send(alert, "raised", alert.text, period)
        if was_sent:
            self._sent_alone[alert.name] = time.monotonic() + mark_ms / 1000
        return was_sent

    async def _end_in_redis(self, alert: Alert) -> bool:
        try:
            return await end_alert(self._redis, alert)
        except BrokerError:
            return False

    async def _send(self, alert: Alert, state: State, text: str, period: str) -> bool:
        level, action = (logging.WARNING, "alert") if state == "raised" else (logging.INFO, "alert_over")
        log.log(level, "%s", text, extra={"action": action, "kind": alert.kind, "source": alert.source})
        if self._channel is None:
            return True
        message = Message(
            key=_key(alert, state, period),
            rule=RULE,
            source=alert.source,
            event=EVENT + alert.kind,
            text=text,
            data={**alert.data, "state": state, "since_ms": alert.since_ms},
        )
        outcome = await _attempt(self._channel, message)
        if isinstance(outcome, Retry | Dead):
            extra = {"action": "alert_unsent", "kind": alert.kind, "source": alert.source}
            log.warning("an alert could not be sent: %s", outcome.error, extra=extra)
        return isinstance(outcome, Sent)


async def _attempt(channel: Channel, message: Message) -> Outcome:
    outcome: Outcome = Retry(error="not attempted", error_class="")
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        if attempt > 1:
            await asyncio.sleep(_PAUSE_S)
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                outcome = await send_once(channel, message)
        except TimeoutError:
            outcome = Retry(error=f"not sent within {_ATTEMPT_S:g} s", error_class="TimeoutError")
        if not isinstance(outcome, Retry):
            break
    return outcome


def _key(alert: Alert, state: State, period: str) -> str:
    """The idempotency key: the same in all workers, for one alert in one period."""
    text = "\x1f".join(("alert", alert.kind, alert.source, state, period))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
