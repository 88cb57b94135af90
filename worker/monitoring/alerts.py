"""Telling people what they should look at.

An alert is one log line, and where a channel is configured one message through it. It is told again while it
holds, once a period. Whichever worker comes first tells it; Redis keeps the others from doing so too. Without
Redis each process tells for itself, with the same key.
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
from worker.channels import Channel
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message
from worker.settings import AlertSettings

log = logging.getLogger("hookline.worker")

RULE = "alert"
EVENT = "hookline.alert."

_TRIES = 3
_TRY_S = 10.0
_PAUSE_S = 1.0
_TELLING_MS = 60_000
"""How long others leave an alert to whoever is telling it: longer than its tries take. Then it is told again."""

State = Literal["raised", "over"]


class Alerts:
    """Tells alerts. Never raises, and never makes a dead letter: what cannot be told now is told in a minute."""

    def __init__(self, redis: Client, channel: Channel | None, settings: AlertSettings) -> None:
        self._redis = redis
        self.follow(channel, settings)
        self._told_alone: dict[str, float] = {}
        """Until when (monotonic) an alert that was told without Redis is not told again."""

    def follow(self, channel: Channel | None, settings: AlertSettings) -> None:
        """Tell alerts so from now on."""
        self._channel = channel
        self._period_ms = int(settings.period_s * 1000)

    async def raise_alert(
        self, kind: str, source: str, text: str, data: Mapping[str, Any], *, holds_s: float = 0.0
    ) -> bool:
        """An alert that begins now; True if it was told, False if it had been in this period, or could not be.

        kind and source are of a small, fixed set of names: they make keys. text: a sentence or two, without
        personal data. data: the facts, as JSON. holds_s: how long `status` shows it; 0: until `end`. What comes
        in a period that has had its alert is shown, and not told: keep what must be told for the next time.
        """
        now_ms = self._redis.clock.now_ms()
        ends_ms = now_ms + int(holds_s * 1000) if holds_s else 0
        return await self.hold(
            Alert(kind=kind, source=source, since_ms=now_ms, text=text, data=dict(data), ends_ms=ends_ms)
        )

    async def hold(self, alert: Alert, *, now_ms: int | None = None, once: bool = False, about: str = "") -> bool:
        """The same for an alert that holds, whenever it began: to be called again and again while it does.

        once: one with an end of its own is not told again in any later period. about: what it tells, where that
        may change within a period: then the message's key is of that, and not of the period.
        """
        now_ms = self._redis.clock.now_ms() if now_ms is None else now_ms
        mark_ms = alert.ends_ms - now_ms if once else self._period_ms
        try:
            return await self._hold(alert, mark_ms, about or str(now_ms // self._period_ms))
        except Exception:
            log.exception("an alert could not be told", extra={"action": "alert_failed", "kind": alert.kind})
            return False

    async def end(self, alert: Alert, text: str) -> bool:
        """It holds no longer, as `text` says; True if people were told so, as they were when it began."""
        try:
            told_alone = self._told_alone.pop(alert.name, None) is not None
            if not await self._ends(alert) and not told_alone:
                return False
            return await self._tell(alert, "over", text, f"{alert.since_ms}")
        except Exception:
            log.exception("an alert could not be ended", extra={"action": "alert_failed", "kind": alert.kind})
            return False

    async def _hold(self, alert: Alert, mark_ms: int, period: str) -> bool:
        if mark_ms <= 0:
            return False
        try:
            mine = await raise_alert(self._redis, alert, mark_ms=min(mark_ms, _TELLING_MS))
        except BrokerError:
            return await self._hold_alone(alert, mark_ms, period)
        if not mine:
            return False
        told = await self._tell(alert, "raised", alert.text, period)
        if told:
            try:
                await keep_mark(self._redis, alert, mark_ms=mark_ms)
            except BrokerError:
                self._told_alone[alert.name] = time.monotonic() + mark_ms / 1000
        return told

    async def _hold_alone(self, alert: Alert, mark_ms: int, period: str) -> bool:
        if time.monotonic() < self._told_alone.get(alert.name, 0.0):
            return False
        self._told_alone[alert.name] = time.monotonic() + min(mark_ms, _TELLING_MS) / 1000
        told = await self._tell(alert, "raised", alert.text, period)
        if told:
            self._told_alone[alert.name] = time.monotonic() + mark_ms / 1000
        return told

    async def _ends(self, alert: Alert) -> bool:
        try:
            return await end_alert(self._redis, alert)
        except BrokerError:
            return False

    async def _tell(self, alert: Alert, state: State, text: str, period: str) -> bool:
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
        outcome = await _send(self._channel, message)
        if isinstance(outcome, Retry | Dead):
            extra = {"action": "alert_unsent", "kind": alert.kind, "source": alert.source}
            log.warning("an alert could not be sent: %s", outcome.error, extra=extra)
        return isinstance(outcome, Sent)


async def _send(channel: Channel, message: Message) -> Outcome:
    outcome: Outcome = Retry(error="not tried", error_class="")
    for attempt in range(1, _TRIES + 1):
        if attempt > 1:
            await asyncio.sleep(_PAUSE_S)
        try:
            async with asyncio.timeout(_TRY_S):
                outcome = await channel.send(message)
        except Exception as error:  # noqa: BLE001 - a fault of a channel is an outcome like others
            outcome = Retry(error=str(error) or type(error).__name__, error_class=type(error).__name__)
        if not isinstance(outcome, Retry):
            break
    return outcome


def _key(alert: Alert, state: State, period: str) -> str:
    """The same for the same alert in the same period, whoever tells it."""
    text = "\x1f".join(("alert", alert.kind, alert.source, state, period))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
