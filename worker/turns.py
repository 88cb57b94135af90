"""Turns: notifications of rules with `latest_only` go out one at a time, and none after a newer one."""

from __future__ import annotations

import asyncio
import time

from msgspec import Struct

from broker import latest
from broker.client import Client
from broker.errors import BrokerError
from worker.leases import Lease
from worker.outcome import Outcome, PutOff, Sent, Skipped

_AGAIN_S = 0.5
"""Seconds until a notification asks again, while another of its subject is under way."""

_PATIENCE_S = 40.0
"""Seconds that the end of a turn waits for a Redis that is away; a turn ends by itself soon after."""


class Subject(Struct, frozen=True):
    """What a notification tells the latest of."""

    id: str
    key: str
    """The notification's idempotency key."""

    occurred_at_ms: int


class Turns:
    """The turns of one worker process."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def take(self, subject: Subject) -> Skipped | PutOff | None:
        """Whether it may go out: None, and then its turn must be ended. Raises BrokerError."""
        turn = await latest.take_turn(
            self._redis, subject.id, key=subject.key, occurred_at_ms=subject.occurred_at_ms
        )
        if turn == "stale":
            return Skipped()
        return PutOff(_AGAIN_S) if turn == "wait" else None

    async def end(self, subject: Subject, outcome: Outcome, lease: Lease) -> None:
        """It went out or not. Without Redis this waits, for as long as nobody else can have the job."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                await latest.end_turn(
                    self._redis,
                    subject.id,
                    key=subject.key,
                    occurred_at_ms=subject.occurred_at_ms,
                    sent=isinstance(outcome, Sent),
                )
            except BrokerError:
                if time.monotonic() > until or not lease.holds():
                    return
                await asyncio.sleep(_AGAIN_S)
            else:
                return
