"""What a Redis user must be allowed to do, and finding out what it may not.

Each command is sent within MULTI and never executed: Redis checks permissions when it queues a command, and the
connection is closed before EXEC. So it is safe at any time, and needs no right to read ACLs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from broker.redis.client import Client
from broker.redis.error_reasons import denied_command, is_key_denied
from broker.redis.errors import translated

_NO_SCRIPT = "0" * 40

# KEY stands for a key's name. The arguments only have to be as many as the command demands.
RECEIVER = (
    "PING",
    "INFO",
    "EVALSHA " + _NO_SCRIPT + " 0",
    "EVAL x 0",
    "SCRIPT LOAD x",
    "TIME",
    "SET KEY v",
    "DEL KEY",
    "EXPIRE KEY 1",
    "XADD KEY 0-0 f v",
    "HINCRBY KEY f 0",
    "HMGET KEY f",
    "HSET KEY f v",
    "HSETNX KEY f v",
    "HDEL KEY f",
    "HGETALL KEY",
    "HVALS KEY",
    "SMEMBERS KEY",
    "ZCARD KEY",
)
"""What the receiver sends and what its scripts call."""

WORKER = (
    "XREADGROUP GROUP g c STREAMS KEY >",
    "XAUTOCLAIM KEY g c 0 0",
    "XCLAIM KEY g c 0 0-0",
    "XPENDING KEY g",
    "XACK KEY g 0-0",
    "XDEL KEY 0-0",
    "XGROUP CREATE KEY g 0",
    "XGROUP DELCONSUMER KEY g c",
    "XINFO CONSUMERS KEY g",
    "GET KEY",
    "MGET KEY",
    "EXISTS KEY",
    "DECR KEY",
    "INCR KEY",
    "INCRBY KEY 1",
    "PEXPIRE KEY 1",
    "PEXPIREAT KEY 1",
    "PTTL KEY",
    "RENAME KEY KEY",
    "HEXISTS KEY f",
    "HGET KEY f",
    "HKEYS KEY",
    "HLEN KEY",
    "LINDEX KEY 0",
    "LLEN KEY",
    "LRANGE KEY 0 0",
    "LREM KEY 0 v",
    "LTRIM KEY 0 0",
    "RPUSH KEY v",
    "SADD KEY v",
    "SCARD KEY",
    "SISMEMBER KEY v",
    "SRANDMEMBER KEY",
    "SREM KEY v",
    "ZADD KEY 0 v",
    "ZCOUNT KEY 0 0",
    "ZPOPMIN KEY",
    "ZRANGE KEY 0 0",
    "ZRANGEBYSCORE KEY 0 0",
    "ZREM KEY v",
    "ZREMRANGEBYRANK KEY 0 0",
    "ZREMRANGEBYSCORE KEY 0 0",
    "ZREVRANGE KEY 0 0",
    "ZREVRANGEBYLEX KEY + -",
    "ZREVRANGEBYSCORE KEY 0 0",
    "ZSCORE KEY v",
)
"""What the worker needs beyond that."""

INSPECTOR = (
    "SCAN 0",
    "XLEN KEY",
    "XRANGE KEY - +",
    "XREVRANGE KEY + -",
    "LPOS KEY v",
    "LSET KEY 0 v",
)
"""What the inspector and the commands need beyond both."""

MEASURE_QUEUE = "MEMORY USAGE KEY"
"""What the receiver needs beyond that with a bound on the queue's memory."""

PARTS = {"receiver": RECEIVER, "worker": WORKER, "inspector": INSPECTOR}


class Denied(Struct, frozen=True):
    """What the user of a connection lacks."""

    commands: dict[str, tuple[str, ...]] = {}
    """By part: the commands that it may not run."""

    keys: tuple[str, ...] = ()
    """The patterns of keys that it may not use."""

    user: str = ""

    def texts(self) -> list[str]:
        """Each lack in words, with the cure."""
        who = f"the Redis user {self.user}" if self.user else "the Redis user"
        grant = f"ACL SETUSER {self.user or 'USER'}"
        found = [
            f"{who} may not run {', '.join(commands)}, which the {part} needs: {grant} {_rules(commands)}"
            for part, commands in self.commands.items()
            if commands
        ]
        if self.keys:
            shown = " ".join(f"~{pattern}" for pattern in self.keys)
            found.append(f"{who} may not read and write all keys of this namespace: {grant} {shown}")
        return found


async def find_denied(
    redis: Client, parts: Sequence[str] = tuple(PARTS), *, further: Sequence[str] = ()
) -> Denied:
    """What the user of this client lacks for these parts. `further`: commands of the first part, as in `PARTS`.

    Where the server refuses MULTI or EXEC, no more than that is known. Raises BrokerError.
    """
    wanted = {part: (*(further if part == parts[0] else ()), *PARTS[part]) for part in parts}
    names = redis.names
    commands = [command for part in parts for command in wanted[part]]
    keys = [name for field, name in vars(names).items() if field != "prefix"]
    asked = [*(_arguments(command, names.probe) for command in commands)]
    asked += [[verb, key] for key in keys for verb in ("GET", "DEL")]
    with translated():
        answers, refused_transaction = await _queued(redis, asked)
    if refused_transaction:
        return Denied(commands={parts[0]: refused_transaction})
    refused = answers[: len(commands)]
    lacking = {name for name, answer in zip(commands, refused, strict=False) if _is_command_denied(answer)}
    return Denied(
        commands={
            part: tuple(_name(command) for command in wanted[part] if command in lacking)
            for part in parts
            if lacking.intersection(wanted[part])
        },
        keys=(f"{names.prefix}*",) if any(is_key_denied(answer) for answer in answers) else (),
        user=next((found[1] for answer in answers if (found := _USER.search(answer))), ""),
    )


_USER = re.compile(r"\bUser (\S+) has no permissions")


async def _queued(redis: Client, commands: Sequence[Sequence[str]]) -> tuple[list[str], tuple[str, ...]]:
    """What Redis answers to each command within MULTI, "" where it would run it; and whether it refuses MULTI or
    EXEC themselves.
    """
    pool = redis.connection_pool
    connection = await pool.get_connection()
    answers: list[str] = []
    try:
        for name in ("EXEC", "MULTI"):  # EXEC is an error here, yet one of permissions where it is denied
            await connection.send_command(name)
            if denied_command(await _answer(connection)):
                return [], (name,)
        await connection.send_packed_command(connection.pack_commands(commands))
        for _ in commands:
            answers.append(await _answer(connection))
            if not connection.is_connected:  # it is no primary, which is found out elsewhere
                break
    finally:
        await connection.disconnect(nowait=True)  # the transaction is dropped with it
        await pool.release(connection)
    return answers, ()


async def _answer(connection: Any) -> str:
    try:
        await connection.read_response()
    except RedisError as error:
        if isinstance(error, RedisConnectionError):
            raise
        return str(error)
    return ""


def _arguments(command: str, key: str) -> list[str]:
    return [key if word == "KEY" else word for word in command.split()]


def _is_command_denied(answer: str) -> bool:
    return bool(denied_command(answer)) or "can't run this command" in answer


def _name(command: str) -> str:
    """`XGROUP CREATE` of `XGROUP CREATE KEY g 0`."""
    words = command.split()
    return " ".join(words[:2]) if words[0] in _CONTAINERS else words[0]


_CONTAINERS = {"XGROUP", "XINFO", "SCRIPT", "CONFIG", "MEMORY"}


def _rules(commands: Sequence[str]) -> str:
    return " ".join(f"+{command.lower().replace(' ', '|')}" for command in commands)
