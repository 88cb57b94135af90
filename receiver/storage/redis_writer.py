"""Writes batches to Redis, and checks that Redis confirms them as durably as configured."""

from __future__ import annotations

import asyncio
import time
from enum import IntEnum

from msgspec import structs

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation, confirmation_for
from broker.redis.client import Client
from broker.redis.connection import forget_primary
from broker.redis.errors import BrokerError, Misconfigured, NotDurable, Unavailable
from broker.redis.server.facts import ServerFacts, read_facts
from broker.redis.server.permissions import find_denied
from broker.redis.server.probe import probe

_CHECK_TIMEOUT_S = 1.0
_SYNC_TIMEOUT_S = 3.0
"""Seconds for a check after a failed write, which waits for the confirmation too."""

_PERMISSIONS_EVERY_S = 30.0


class Condition(IntEnum):
    """How well a partition takes batches. A higher value is better."""

    AWAY = 0
    """The last write or check failed, or a write was late."""

    MAY_LOSE = 1
    """Batches are confirmed, but the settings of the server may lose them: see `ServerFacts.risks`."""

    WELL = 2
    """Batches are confirmed as durably as configured."""


class RedisWriter:
    """Writes batches to one partition as durably as configured.

    After a failure it reads the facts of the server again.
    """

    def __init__(self, redis: Client, *, durability: str, replicas: int) -> None:
        self.facts: ServerFacts | None = None
        """Facts about the server at the last check; None while Redis is away."""

        self.error: BrokerError | None = Unavailable("Redis is not connected yet")
        """Why Redis does not accept webhooks, by the last write or check; None if it does."""

        self.worker_missing_commands: tuple[str, ...] = ()
        """Commands that a worker with the same Redis user needs and must not run."""

        self.server = ""
        """The run id of the server at the last check that it answered; "" if it is unknown."""

        self.redis = redis
        self._durability = durability
        self._replicas = replicas
        self._confirmation: Confirmation | None = None
        self._may_lose = False
        self._has_failed_write = False
        self._next_permissions_s = 0.0

    @property
    def fault(self) -> str:
        """The text of the error, or "". It may name hosts and users."""
        return str(self.error) if self.error else ""

    @property
    def condition(self) -> Condition:
        """How well this partition takes batches, by the last write or check."""
        if self.error is not None:
            return Condition.AWAY
        return Condition.MAY_LOSE if self._may_lose else Condition.WELL

    @property
    def is_suspect(self) -> bool:
        """True if the whole server may be away, and so its other partitions too."""
        return isinstance(self.error, Unavailable)

    @property
    def syncs_late(self) -> bool:
        """True if a write may wait up to a second, since Redis syncs its disk once a second."""
        return self._confirmation is not None and self._confirmation.wait_aof

    async def write(self, bodies: list[RawBody]) -> None:
        """Append one batch; returns when it is confirmed. Raises BrokerError."""
        try:
            confirmation = self._confirmation or await self._find_confirmation()
            await stream.append(self.redis, bodies, confirmation)
        except BrokerError as error:
            self._note_failed_write(error)
            raise
        except asyncio.CancelledError:  # its time limit is over
            self._note_failed_write(Unavailable("Redis did not confirm a write in time"))
            raise
        self.error, self._has_failed_write = None, False

    def note_late(self, seconds: float) -> None:
        """Note that a write has had no answer for so long. The error ends when it or a check succeeds."""
        self.error, self._has_failed_write = Unavailable(f"Redis did not confirm within {seconds:g} s"), True

    async def check(self) -> Confirmation:
        """Read the facts of the server and how it confirms writes, and try a write. Raises BrokerError.

        After a failed write the error ends only when a trial write was confirmed.
        """
        try:
            confirmation = await self._find_confirmation()
            async with asyncio.timeout(_SYNC_TIMEOUT_S if self._has_failed_write else _CHECK_TIMEOUT_S):
                await self._check_permissions(confirmation)
                await probe(self.redis, confirmation if self._has_failed_write else None)
        except TimeoutError:
            self.error = Unavailable("Redis did not answer a trial write in time")
            raise self.error from None
        except BrokerError as error:
            self.error = error
            raise
        self.error, self._has_failed_write = None, False
        return confirmation

    async def _find_confirmation(self) -> Confirmation:
        try:
            self.facts = await self._read_facts()
            self.server, self._may_lose = self.facts.run_id, bool(self.facts.risks())
            self._confirmation = confirmation_for(self.facts, self._durability, self._replicas)
        except NotDurable:
            self._doubt()
            raise
        except BrokerError:
            self.facts = self._confirmation = None
            raise
        return self._confirmation

    async def _check_permissions(self, confirmation: Confirmation) -> None:
        """Check the permissions of the receiver's user, about twice a minute and after a failed write.

        Raises Misconfigured, or NotDurable if Redis refuses the command that confirms a write.
        """
        now_s = time.monotonic()
        if now_s < self._next_permissions_s and not self._has_failed_write:
            return
        denied = await find_denied(self.redis, ("receiver", "worker"), further=confirmation.commands())
        self.worker_missing_commands = denied.commands.get("worker", ())
        own = structs.replace(denied, commands={**denied.commands, "worker": ()})
        if own.texts():  # the next check asks again, so the error remains until it is fixed
            raise Misconfigured("; ".join(own.texts()), brief="the Redis user lacks a permission")
        if denied.further:
            raise NotDurable(confirmation.refusal())
        self._next_permissions_s = now_s + _PERMISSIONS_EVERY_S

    def _note_failed_write(self, error: BrokerError) -> None:
        self.error, self._has_failed_write = error, True
        self._confirmation = None  # the next write may reach another server, with other settings
        if isinstance(error, NotDurable):
            self._doubt()

    def _doubt(self) -> None:
        """Find the primary again: without its replicas, the server may be an old primary."""
        self._confirmation = None
        forget_primary(self.redis)

    async def _read_facts(self) -> ServerFacts:
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                return await read_facts(self.redis)
        except TimeoutError:
            raise Unavailable(f"Redis did not answer within {_CHECK_TIMEOUT_S:g} s") from None
