"""Holds what every step of a move needs: the old and the new partitions, and how Redis confirms a write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from redis.exceptions import NoScriptError

from broker.dead_letters import StoredDeadLetter
from broker.namespace.layout import Move
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.keys import LAYOUT_REMOVED
from broker.redis.partitions import Partitions
from broker.redis.scripting.scripts import Script
from broker.repartition.confirmations import Server, confirm
from broker.repartition.state import checked

_AT_ONCE = 50
"""Calls that are sent together. Redis may run them without serving other clients in between."""

BucketOf = Callable[[StoredDeadLetter], int | None]
"""Returns the bucket of the one event of a dead notification; None for a letter that stays where it is."""

Terms = Callable[[StoredDeadLetter], Sequence[str]]
"""Returns the search terms of a dead letter."""


class Plan(Struct, frozen=True):
    """A move, with the clients of both sides."""

    move: Move
    old: Partitions
    new: Partitions
    servers: Sequence[Server]
    """The server of each new partition, which confirms that it keeps what was written to it."""

    bucket_of: BucketOf
    terms: Terms
    report: Callable[[str, int], None]
    """Called with a kind of data and how many of it have moved."""

    @property
    def layout(self) -> str:
        """The layout of the new partitions while the data moves."""
        return self.move.layout

    @property
    def all(self) -> tuple[Client, ...]:
        """The clients of all partitions, old and new, the control partition first."""
        return max(self.old.all, self.new.all, key=len)

    def is_removed(self, client: Client) -> bool:
        """Return whether the new number is too small for a partition, so that nothing may stay there."""
        return client.partition >= len(self.new)

    def heir_of(self, client: Client) -> Client:
        """Return the partition that gets what may be anywhere: a partition itself, if it stays."""
        return self.new[client.partition % len(self.new)]

    def layout_of(self, client: Client) -> str:
        """Return the layout of a partition while the data moves."""
        return LAYOUT_REMOVED if self.is_removed(client) else self.layout

    async def confirm(self) -> None:
        """Wait until all new partitions keep what was written to them, as durably as webhooks.

        What is removed afterwards from its old home cannot be lost with a server that fails. Raises BrokerError,
        also if a server was replaced since the move began or went on.
        """
        # All must have ended before the connections are closed, also if one fails.
        results = await asyncio.gather(
            *(confirm(client, server) for client, server in zip(self.new, self.servers, strict=True)),
            return_exceptions=True,
        )
        for error in results:
            if error is not None:
                raise error


async def run_all(redis: Client, script: Script, calls: Sequence[Mapping[str, Any]]) -> list[int]:
    """Run a script once for each of these arguments, a few in one round trip. Returns their replies.

    Raises BrokerError, NotMovingError.
    """
    replies: list[int] = []
    with translated():
        for start in range(0, len(calls), _AT_ONCE):
            some = calls[start : start + _AT_ONCE]
            try:
                replies += await _run_some(redis, script, some)
            except NoScriptError:
                # The first of these calls sends the text, so that no further permission is needed.
                replies += [await script(redis, **arguments) for arguments in some]
    return [checked(reply) for reply in replies]


async def _run_some(redis: Client, script: Script, calls: Sequence[Mapping[str, Any]]) -> list[int]:
    async with redis.pipeline(transaction=False) as pipe:
        for arguments in calls:
            pipe.evalsha(script.sha, *script.words(redis.names, arguments))
        return await pipe.execute()
