"""Moves of data in processes that are killed on the way."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

from broker.redis.connection_pool import PrimaryConnection
from broker.redis.scripting.scripts import Script
from tests.broker.repartition.installation import change
from tests.redis_server import RedisServer


def kill_at(command: int, *, is_sent: bool) -> None:
    """Kill this process at a command to Redis, before or after it is sent."""
    send = PrimaryConnection.send_packed_command
    sent = 0

    async def counted(self: PrimaryConnection, *args: Any, **options: Any) -> None:
        nonlocal sent
        sent += 1
        number = sent  # others may be sent meanwhile
        if number == command and not is_sent:
            os.kill(os.getpid(), signal.SIGKILL)
        await send(self, *args, **options)
        if number == command:
            os.kill(os.getpid(), signal.SIGKILL)

    PrimaryConnection.send_packed_command = counted  # type: ignore[method-assign]


def kill_before(script: Script) -> None:
    """Kill this process before it runs a script."""
    send = PrimaryConnection.send_packed_command

    async def checked(
        self: PrimaryConnection, command: bytes | Sequence[bytes], *args: Any, **options: Any
    ) -> None:
        if script.sha.encode() in (command if isinstance(command, bytes) else b"".join(command)):
            os.kill(os.getpid(), signal.SIGKILL)
        await send(self, command, *args, **options)

    PrimaryConnection.send_packed_command = checked  # type: ignore[method-assign, assignment]


def move_in_a_process(url: str, count: int, command: int, *, is_sent: bool) -> bool:
    """Move the data in a process that is killed at a command. Returns whether it had finished before."""
    return move_until_killed(url, count, lambda: kill_at(command, is_sent=is_sent))


def move_until_killed(url: str, count: int, prepare: Callable[[], None]) -> bool:
    """Move the data in a process that kills itself as `prepare` says. Returns whether it had finished before."""
    child = os.fork()
    if not child:
        prepare()
        try:
            asyncio.run(change(url, count))
        except BaseException:  # noqa: BLE001 - the parent must not run twice
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return not os.WIFSIGNALED(status)


def killed_until_done(server: RedisServer, count: int, *, first: int, is_sent: bool) -> list[tuple[str, int]]:
    """Move the data in processes that are killed, each a little later than the one before, until one finishes.

    Returns what the state said each time: the phase, and how many fields it had, one for each step that was done.
    """
    states: list[tuple[str, int]] = []
    while not move_in_a_process(server.url, count, first + 5 * len(states), is_sent=is_sent):
        with server.client() as client:
            state = client.hgetall("{hookline:0}:repartition")
            states.append((state.get(b"phase", b"").decode(), len(state)))
            client.delete("{hookline:0}:repartition:lease")  # it would end by itself
    return states
