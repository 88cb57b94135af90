"""The layout: for how many partitions the data of a namespace is divided.

Each partition stores it under `layout`: a decimal number, or `moving:{old}:{new}` while `hookline redis
repartition` moves the data. A commit fails where the layout is not the number that its worker computed homes for.
So while data moves, and after that for a worker with the old number, no event is processed in a wrong partition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import BrokerError, translated

_MOVING = re.compile(r"moving:([0-9]{1,4}):([0-9]{1,4})")


class Move(Struct, frozen=True):
    """A change of the number of partitions that is in progress."""

    old: int
    new: int

    @property
    def layout(self) -> str:
        """The layout while it is in progress. No worker has it as its number."""
        return f"moving:{self.old}:{self.new}"


def parse(layout: str) -> Move | int | None:
    """Return the move or the number that a layout names; None for other text, which Hookline never writes."""
    moving = _MOVING.fullmatch(layout)
    if moving:
        return Move(int(moving[1]), int(moving[2]))
    return int(layout) if layout.isdecimal() and len(layout) <= 4 else None


def fits(layout: str, partitions: int) -> bool:
    """Return whether a process with this number of partitions may run.

    During a move both the old and the new number fit: receivers go on with the old one, and a process that is
    restarted meanwhile may have either.
    """
    match parse(layout):
        case Move(old=old, new=new):
            return partitions in (old, new)
        case number:
            return number == partitions


async def read(control: Client) -> str | None:
    """Return the layout in the control partition; None if no process has claimed the namespace yet.

    An installation from before layouts were stored has one partition. Raises BrokerError.
    """
    with translated():
        async with control.pipeline(transaction=False) as pipe:
            pipe.get(control.names.layout)
            pipe.exists(control.names.installation)
            layout, is_claimed = await pipe.execute()
    if layout is None:
        return "1" if is_claimed else None
    return str(layout.decode("utf-8", "replace"))


async def read_stored(redis: Client) -> str | None:
    """Return the layout that a partition has; None without one. Raises BrokerError."""
    with translated():
        stored = await redis.get(redis.names.layout)
    return None if stored is None else stored.decode("utf-8", "replace")


async def spread(others: Iterable[Client], layout: str) -> bool:
    """Store a layout in those of these partitions that have none. Returns whether all answered. Safe to repeat."""
    are_reached = True
    for client in others:
        try:
            with translated():
                await client.set(client.names.layout, layout, nx=True)
        except BrokerError:
            are_reached = False
    return are_reached
