"""Redis as the receiver sees it: where batches go, and whether it keeps the promise that 202 makes."""

from __future__ import annotations

import asyncio
import time

from msgspec import structs

from broker.queue import stream
from broker.queue.batch import RawBody
from broker.queue.stream import Confirmation, confirmation_for
from broker.redis.client import Client
from broker.redis.connection import ServerFacts, forget_primary, read_facts
from broker.redis.errors import BrokerError, Misconfigured, NotDurable, Unavailable
from broker.redis.permissions import find_denied
from broker.redis.probe import probe

_LOOK_TIMEOUT_S = 1.0
_SYNC_TIMEOUT_S = 3.0
"""For a look after a failed write, which waits for the confirmation too."""

_PERMISSIONS_EVERY_S = 30.0


class RedisWriter:
    """Writes batches as durably as asked. How this server gives that is read from it, anew after each failure."""

    def __init__(self, redis: Client, *, durability: str, replicas: int, commands: tuple[str, ...] = ()) -> None:
        """commands: what the receiver sends beside writing, in the form of broker/redis/permissions.py."""
        self.facts: ServerFacts | None = None
        """What the last look found; None while Redis is away."""

        self.error: BrokerError | None = Unavailable("Redis was not reached yet")
        """Why it cannot take webhooks, as the last write or look found; None when it can."""

        self.worker_lacks: tuple[str, ...] = ()
        """Commands that a worker with the same Redis user would need and may not run."""

        self._redis = redis
        self._durability = durability
        self._replicas = replicas
        self._commands = commands
        self._confirmation: Confirmation | None = None
        self._has_failed_write = False
        self._next_permissions_s = 0.0

    @property
    def fault(self) -> str:
        """The error in words, "" when there is none. It may name hosts and users."""
        return str(self.error) if self.error else ""

    @property
    def syncs_late(self) -> bool:
        """Whether it waits up to a second for the disk, because Redis syncs only so often."""
        return self._confirmation is not None and self._confirmation.wait_aof

    async def write(self, bodies: list[RawBody]) -> None:
        """Append one batch; returns when it is confirmed. Raises BrokerError."""
        try:
            confirmation = self._confirmation or await self._find_confirmation()
            await stream.append(self._redis, bodies, confirmation)
        except BrokerError as error:
            self._note_failed_write(error)
            raise
        except asyncio.CancelledError:  # it took too long
            self._note_failed_write(Unavailable("Redis did not confirm a write in time"))
            raise
        self.error, self._has_failed_write = None, False

    async def look(self) -> Confirmation:
        """Read what kind of server it is and how it confirms, and try whether it takes writes. Raises BrokerError.

        After a failed write only a probe that was confirmed as a write is ends the fault.
        """
        try:
            confirmation = await self._find_confirmation()
            async with asyncio.timeout(_SYNC_TIMEOUT_S if self._has_failed_write else _LOOK_TIMEOUT_S):
                await self._check_permissions(confirmation)
                await probe(self._redis, confirmation if self._has_failed_write else None)
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
            self._confirmation = confirmation_for(self.facts, self._durability, self._replicas)
        except NotDurable:
            self._doubt()
            raise
        except BrokerError:
            self.facts = self._confirmation = None
            raise
        return self._confirmation

    async def _check_permissions(self, confirmation: Confirmation) -> None:
        """Now and then, and after a failed write: what the receiver's user may not do. Raises Misconfigured."""
        now_s = time.monotonic()
        if now_s < self._next_permissions_s and not self._has_failed_write:
            return
        further = (*confirmation.commands(), *self._commands)
        denied = await find_denied(self._redis, ("receiver", "worker"), further=further)
        self.worker_lacks = denied.commands.get("worker", ())
        own = structs.replace(denied, commands={**denied.commands, "worker": ()})
        if own.texts():  # the next look asks again, so that the fault stands until it is mended
            raise Misconfigured("; ".join(own.texts()), brief="the Redis user lacks a permission")
        self._next_permissions_s = now_s + _PERMISSIONS_EVERY_S

    def _note_failed_write(self, error: BrokerError) -> None:
        self.error, self._has_failed_write = error, True
        self._confirmation = None  # another server may answer next time, with other settings
        if isinstance(error, NotDurable):
            self._doubt()

    def _doubt(self) -> None:
        """Replicas have left it: it may be an old primary that has not heard of the new one."""
        self._confirmation = None
        forget_primary(self._redis)

    async def _read_facts(self) -> ServerFacts:
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT_S):
                return await read_facts(self._redis)
        except TimeoutError:
            raise Unavailable(f"Redis did not answer within {_LOOK_TIMEOUT_S:g} s") from None
