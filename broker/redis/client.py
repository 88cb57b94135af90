"""The client that everything of Hookline's speaks to Redis through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio.client import Pipeline as RedisPipeline
from redis.exceptions import ResponseError

from broker.redis import scripts
from broker.redis.clock import Clock
from broker.redis.keys import Names

_REFUSALS = ("WRONGTYPE", "value is not an integer", "value is not a float", "would overflow")
"""What Redis says where a key holds what the command cannot work on."""


class Client(ArqRedis):
    """A connection to Redis that knows the names of Hookline's keys there, and the clock there.

    Where a key holds what Hookline never writes there, that is moved aside and the command is run again: see
    broker/namespace/set_aside.py.
    """

    def __init__(self, *, names: Names, pool: Any) -> None:
        """names: of the keys it works on; pool: of connections, which is this client's own and closed with it."""
        super().__init__(pool_or_conn=pool)
        self.names = names
        self.clock = Clock()
        self.auto_close_connection_pool = True

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command."""
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            if not await self.made_way(error, args):
                raise
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Collect commands to run at once."""
        return Pipeline(self, transaction, shard_hint)

    async def made_way(self, error: Exception, command: Sequence[Any]) -> bool:
        """Whether a command was refused for what stood in its key, and that is out of the way now."""
        said, words = str(error), [_text(word) for word in command]
        if not any(refusal in said for refusal in _REFUSALS) or words[0].startswith("EVAL"):
            return False
        keys = [place for place, word in enumerate(words) if word.startswith(self.names.prefix)]
        if not keys:
            return False
        return bool(await scripts.SET_ASIDE(self, said, words[0], *command[keys[0] : keys[0] + 2]))


class Pipeline(RedisPipeline):
    """Commands that are run at once."""

    def __init__(self, client: Client, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run them. One that is refused for what stands in its key is run again when that is out of the way."""
        commands = [args for args, _ in self.command_stack]
        replies = await super().execute(raise_on_error=False)
        for place, reply in enumerate(replies):
            if isinstance(reply, ResponseError) and await self._client.made_way(reply, commands[place]):
                replies[place] = await self._client.execute_command(*commands[place])
            elif raise_on_error and isinstance(reply, Exception):
                raise reply
        return replies


def _text(word: object) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
