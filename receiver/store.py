"""Redis as the receiver sees it: where batches go, and whether it keeps the promise that 202 makes."""

from __future__ import annotations

import asyncio

from broker import stream
from broker.batch import RawBody
from broker.client import Client
from broker.connection import Facts, doubt_primary, read_facts
from broker.errors import BrokerError, NotDurable, Unavailable
from broker.stream import Confirmation, confirmation_for

_LOOK_TIMEOUT_S = 1.0


class Store:
    """Writes batches as durably as asked. How this server gives that is read from it, anew after each failure."""

    def __init__(self, redis: Client, *, durability: str, replicas: int) -> None:
        self.facts: Facts | None = None
        """What the last look found; None while Redis is away."""

        self.fault = "Redis was not reached yet"
        """Why it cannot take webhooks, "" when it can."""

        self._redis = redis
        self._durability = durability
        self._replicas = replicas
        self._confirmation: Confirmation | None = None

    @property
    def syncs_late(self) -> bool:
        """Whether it waits up to a second for the disk, because Redis syncs only so often."""
        return self._confirmation is not None and self._confirmation.wait_aof

    async def write(self, bodies: list[RawBody]) -> None:
        """Append one batch; returns when it is confirmed. Raises BrokerError."""
        confirmation = self._confirmation or await self.look()
        try:
            await stream.append(self._redis, bodies, confirmation)
        except NotDurable:
            self._doubt()
            raise
        except (BrokerError, asyncio.CancelledError):
            self._confirmation = None  # another server may answer next time, with other settings
            raise

    async def look(self) -> Confirmation:
        """Read what kind of server it is and how it confirms. Raises BrokerError."""
        try:
            self.facts = await self._read_facts()
            self._confirmation = confirmation_for(self.facts, self._durability, self._replicas)
        except NotDurable as error:
            self.fault = str(error)
            self._doubt()
            raise
        except BrokerError as error:
            self.facts, self._confirmation, self.fault = None, None, str(error)
            raise
        self.fault = ""
        return self._confirmation

    def _doubt(self) -> None:
        """Replicas have left it: it may be an old primary that has not heard of the new one."""
        self._confirmation = None
        doubt_primary(self._redis)

    async def _read_facts(self) -> Facts:
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT_S):
                return await read_facts(self._redis)
        except TimeoutError:
            raise Unavailable(f"Redis did not answer within {_LOOK_TIMEOUT_S:g} s") from None
