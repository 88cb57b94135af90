"""The permissions that Hookline needs in Redis, and a check for the missing ones.

The check sends each command after MULTI, and closes the connection before EXEC, so that no command is executed.
Redis checks the permissions when it queues a command. The check is safe at any time, and does not need the
permission to read ACLs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from broker.redis.client import Client
from broker.redis.error_reasons import denied_command, explain, is_key_denied
from broker.redis.errors import translated

_NO_SCRIPT = "0" * 40

# KEY is replaced by the name of a key. Only the number of the other arguments must be right.
RECEIVER = (
    "PING",
    "INFO",
    "EVALSHA " + _NO_SCRIPT + " 1 KEY",
    "EVAL x 1 KEY",
    "TIME",
    "GET KEY",
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
"""The commands that the receiver and its scripts use."""

WORKER = (
    "APPEND KEY v",
    "BLPOP KEY 1",
    "SETRANGE KEY 0 v",
    "TYPE KEY",
    "XREADGROUP GROUP g c STREAMS KEY >",
    "XCLAIM KEY g c 0 0-0",
    "XPENDING KEY g",
    "XACK KEY g 0-0",
    "XDEL KEY 0-0",
    "XGROUP CREATE KEY g 0",
    "XGROUP DELCONSUMER KEY g c",
    "XINFO CONSUMERS KEY g",
    "XLEN KEY",
    "XRANGE KEY - +",
    "XTRIM KEY MINID 0",
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
"""The commands that the worker needs in addition to those of the receiver."""

INSPECTOR = (
    "SCAN 0",
    "XREVRANGE KEY + -",
    "LPOS KEY v",
    "LSET KEY 0 v",
)
"""The commands that the inspector and the command line need in addition to the others."""

_ONLY = {"receiver": {"XREADGROUP", "XACK", "XLEN"}, "worker": {"SCAN", "LPOS", "LSET"}}
"""Commands that the documented user of a part may not run, while it may run all that the part needs."""

_WRITES = {"SET", "DEL", "XADD", "HSET"}
_READS = {"XINFO CONSUMERS", "XRANGE", "ZRANGE", "SMEMBERS", "HGETALL", "GET", "EVALSHA", "INFO"}

MEASURE_QUEUE = "MEMORY USAGE KEY"
"""The command with which the receiver measures the queue if its memory is limited."""

PARTS = {"receiver": RECEIVER, "worker": WORKER, "inspector": INSPECTOR}


class Denied(Struct, frozen=True):
    """The missing permissions of a Redis user."""

    commands: dict[str, tuple[str, ...]] = {}
    """The commands that the user may not run, by part of Hookline."""

    further: tuple[str, ...] = ()
    """The further commands that Redis refuses: to this user, or because it does not have them."""

    keys: tuple[str, ...] = ()
    """The patterns of keys that the user may not access."""

    user: str = ""
    """The name of the user, if Redis reports it."""

    def documented_user(self) -> str:
        """Return the part whose documented user this seems to be: `receiver`, `worker` or `reader`; else "".

        A user that merely lacks some commands is not one of these. See docs/redis.md.
        """
        lacking = {command for commands in self.commands.values() for command in commands}
        if self.keys or not lacking:
            return ""
        if lacking >= _WRITES and not _READS & lacking:
            return "reader"
        for part, further in (("receiver", "worker"), ("worker", "inspector")):
            if part not in self.commands and _ONLY[part] <= set(self.commands.get(further, ())):
                return part
        return ""

    def texts(self) -> list[str]:
        """Return a text for each missing permission, with the command that grants it. `further` has no text."""
        who = f"the Redis user {self.user}" if self.user else "the Redis user"
        grant = f"ACL SETUSER {self.user or 'USER'}"
        texts = [
            f"{who} may not run {', '.join(commands)}, which the {part} needs: {grant} {_rules(commands)}"
            for part, commands in self.commands.items()
            if commands
        ]
        if self.keys:
            shown = " ".join(f"~{pattern}" for pattern in self.keys)
            texts.append(f"{who} may not read and write all keys of this namespace: {grant} {shown}")
        return texts


async def find_denied(
    redis: Client, parts: Sequence[str] = tuple(PARTS), *, further: Sequence[str] = ()
) -> Denied:
    """Return which permissions the user of this client lacks for the given parts of Hookline.

    parts: names from `PARTS`. further: more commands, to find out whether Redis refuses them. If the server
    refuses MULTI or EXEC, only these are returned. Raises BrokerError.
    """
    wanted = {part: PARTS[part] for part in parts}
    names = redis.names
    commands = [*further, *(command for part in parts for command in wanted[part])]
    keys = [name for field, name in vars(names).items() if field != "prefix"]
    checked = [*(_arguments(command, names.probe) for command in commands)]
    checked += [[verb, key] for key in keys for verb in ("GET", "DEL")]
    with translated():
        answers, refused_transaction = await _queued(redis, checked)
    if refused_transaction:
        return Denied(commands={parts[0]: refused_transaction})
    refused = answers[: len(commands)]
    refused_further = [
        _name(command) for command, answer in zip(further, refused, strict=False) if _is_refused(answer)
    ]
    lacking = {name for name, answer in zip(commands, refused, strict=False) if _is_command_denied(answer)}
    return Denied(
        commands={
            part: tuple(_name(command) for command in wanted[part] if command in lacking)
            for part in parts
            if lacking.intersection(wanted[part])
        },
        further=tuple(refused_further),
        keys=(f"{names.prefix}*",) if any(is_key_denied(answer) for answer in answers) else (),
        user=next((match[1] for answer in answers if (match := _USER.search(answer))), ""),
    )


_USER = re.compile(r"\bUser (\S+) has no permissions")


async def _queued(redis: Client, commands: Sequence[Sequence[str]]) -> tuple[list[str], tuple[str, ...]]:
    """Send commands after MULTI. Returns the error of each command ("" if allowed), and the refused transaction.

    The second value contains MULTI or EXEC if the server refuses one of them.
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
            if not connection.is_connected:  # the server is not the primary, which another check reports
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


def _is_refused(answer: str) -> bool:
    """Return True for an error that waiting does not end: no permission, or a server without the command."""
    explanation = explain(answer)
    return bool(answer) and (explanation is None or explanation.kind in ("lasting", "forbidden"))


def _name(command: str) -> str:
    """Return the name of a command, such as `XGROUP CREATE` for `XGROUP CREATE KEY g 0`."""
    words = command.split()
    return " ".join(words[:2]) if words[0] in _CONTAINERS else words[0]


_CONTAINERS = {"XGROUP", "XINFO", "SCRIPT", "CONFIG", "MEMORY"}


def _rules(commands: Sequence[str]) -> str:
    return " ".join(f"+{command.lower().replace(' ', '|')}" for command in commands)
