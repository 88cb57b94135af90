"""The Redis client that all parts of Hookline use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Literal

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline as RedisPipeline
from redis.exceptions import ResponseError

from broker.redis.clock import Clock
from broker.redis.keys import Names, type_of
from broker.redis.scripting.scripts import FULL, Script

_SET_ASIDE = Script(
    "redis/set_aside", parts=(FULL,), args=("target: key", "expected", "refusal", "command", "field")
)

Persistence = Literal["checked", "managed", "none"]
"""The values of the setting redis.persistence."""

_REFUSALS = ("WRONGTYPE", "value is not an integer", "value is not a float", "would overflow")
"""The errors of Redis for a command on a key with a value of the wrong type."""


class Client(Redis):
    """A client that knows the names of the keys of one partition, and the clock of its Redis.

    If a key has a value that Hookline never writes, the client moves the value aside and runs the command again:
    see broker/namespace/set_aside.py.
    """

    def __init__(
        self,
        *,
        names: Names,
        pool: Any,
        persistence: Persistence = "checked",
        partition: int = 0,
        partitions: int = 1,
    ) -> None:
        """names: the names of the keys. pool: a connection pool, which the client owns and closes.

        persistence: the setting redis.persistence, which decides what the facts of the server must say. partition:
        the number of the partition whose keys these are. partitions: the setting redis.partitions.
        """
        super().__init__(connection_pool=pool)
        self.names = names
        self.partition = partition
        self.partitions = partitions
        self.layout = str(partitions)
        """The value of the key `layout` if Redis has the same number of partitions."""

        self.persistence = persistence
        self.clock = Clock()
        self.auto_close_connection_pool = True

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command, and run it again if a wrong value had to be moved aside."""
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            if not await self.made_way(error, args):
                raise
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    async def scan_iter(  # type: ignore[override]
        self, match: str = "*", count: int = 1000
    ) -> AsyncIterator[bytes]:
        """Yield the full names of all keys that match, some perhaps twice. count: keys to look at in one step.

        Keys that are added or removed meanwhile may be missing. Raises the errors of redis-py, also if the keys
        move to another server meanwhile: then begin again.
        """
        async for names in self.scan_steps(match, count):
            for name in names:
                yield name

    def scan_steps(self, match: str, count: int = 1000) -> AsyncGenerator[list[bytes], None]:
        """Yield what each step of `scan_iter` finds, perhaps nothing, so that the caller can limit the steps.

        One that stops early must close the iterator (`aclosing`), which holds a connection. Raises as `scan_iter`.
        """
        return self._scan(("SCAN",), ("MATCH", match, "COUNT", count))

    async def sscan_iter(  # type: ignore[override]
        self, name: str, match: str = "*", count: int = 1000
    ) -> AsyncIterator[bytes]:
        """Yield the members of a set, some perhaps twice. Raises as `scan_iter` does."""
        async for members in self._scan(("SSCAN", name), ("MATCH", match, "COUNT", count)):
            for member in members:
                yield member

    async def zscan_iter(  # type: ignore[override]
        self, name: str, match: str = "*", count: int = 1000
    ) -> AsyncIterator[tuple[bytes, float]]:
        """Yield (member, score) of a sorted set, some perhaps twice. Raises as `scan_iter` does."""
        async for members in self._scan(("ZSCAN", name), ("MATCH", match, "COUNT", count)):
            for member, score in zip(members[::2], members[1::2], strict=True):
                yield member, float(score)

    async def _scan(self, command: Sequence[str], options: Sequence[Any]) -> AsyncGenerator[list[bytes], None]:
        """Yield the replies of a command with a cursor, which stands between the command and its options."""
        await self.exists(self.names.prefix)  # finds the server that has the keys now
        # A cursor belongs to the server that returned it, so all steps use one connection. A node of a cluster
        # from which the keys have moved returns none of them, without an error. So each step is followed by a
        # command that such a node refuses.
        connection = await self.connection_pool.get_connection()
        try:
            cursor = b""
            while cursor != b"0":
                await connection.send_command(*command, cursor or b"0", *options, check_health=False)
                cursor, reply = await connection.read_response()
                await connection.send_command("EXISTS", self.names.prefix, check_health=False)
                await connection.read_response()
                yield reply
        finally:
            await connection.disconnect(nowait=True)  # a response may still come
            await self.connection_pool.release(connection)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Collect commands that are sent to Redis together."""
        return Pipeline(self, transaction, shard_hint)

    async def made_way(self, error: Exception, command: Sequence[Any]) -> bool:
        """Move the value of a key aside if it made Redis refuse a command.

        Returns whether the command can run again; False for other errors. A value that is valid now stays.
        """
        said, words = str(error), [_text(word) for word in command]
        if not any(refusal in said for refusal in _REFUSALS) or words[0].startswith("EVAL"):
            return False
        keys = [place for place, word in enumerate(words) if word.startswith(self.names.prefix)]
        if not keys:
            return False
        target, *following = command[keys[0] : keys[0] + 2]
        field = following[0] if following else ""
        expected = type_of(words[keys[0]].removeprefix(self.names.prefix))
        reply = await _SET_ASIDE(
            self, target=target, expected=expected, refusal=said, command=words[0], field=field
        )
        return bool(reply)


class Pipeline(RedisPipeline):
    """Commands that are sent to Redis together."""

    def __init__(self, client: Client, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run the commands. If the value of a key is moved aside, the refused command is run again."""
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
