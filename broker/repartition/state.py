"""The state of a move of data, in the control partition: which numbers, which phase, and which steps are done.

The hash `repartition` exists only while data moves. Its fields are:
    old, new       the numbers of partitions
    phase          `moving`: the layout of all partitions says that data moves, and data moves
                   `opening`: all data is in its new home, and partitions get the new number, the control one last
    done:{step}    a step that need not be repeated
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from broker.namespace.layout import Move
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import BASE, FULL, Part, Script

MOVING = Part("repartition/moving", parts=(BASE,), keys=("layout",))
"""Scripts with this part do nothing unless data moves."""

_BEGIN = Script("repartition/begin", parts=(FULL,), keys=("repartition",), args=("old", "new"))

Phase = Literal["moving", "opening"]


class State(Struct, frozen=True):
    """A move that was begun and is not finished."""

    move: Move
    phase: Phase


class RepartitionError(Exception):
    """The move cannot be made; the text says why, and what to do."""


class NotMovingError(Exception):
    """Another process has finished the move meanwhile."""


async def read(control: Client) -> State | None:
    """Return the move that is in progress; None without one. Raises BrokerError."""
    with translated():
        fields = await control.hmget(control.names.repartition, ["old", "new", "phase"])  # type: ignore[misc]
    return None if fields[0] is None else _state(fields)


async def begin(control: Client, move: Move) -> State:
    """Begin a move, unless one is in progress. Returns the move that is in progress now. Raises BrokerError."""
    with translated():
        return _state(await _BEGIN(control, old=str(move.old), new=str(move.new)))


async def is_done(control: Client, step: str) -> bool:
    """Return whether a step need not be repeated. Raises BrokerError."""
    with translated():
        return bool(await control.hexists(control.names.repartition, f"done:{step}"))  # type: ignore[misc]


async def note_done(control: Client, step: str) -> None:
    """Record that a step need not be repeated. Raises BrokerError."""
    with translated():
        await control.hset(control.names.repartition, f"done:{step}", "1")  # type: ignore[misc]


async def note_opening(control: Client) -> None:
    """Record that all data is in its new home. Raises BrokerError."""
    with translated():
        await control.hset(control.names.repartition, "phase", "opening")  # type: ignore[misc]


def checked(reply: int) -> int:
    """Return the reply of a step that runs only while data moves. Raises NotMovingError."""
    if int(reply) < 0:
        raise NotMovingError
    return int(reply)


def _state(fields: list[bytes | None]) -> State:
    old, new, phase = fields
    return State(Move(parse_int(old), parse_int(new)), "opening" if phase == b"opening" else "moving")
