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
from broker.redis.scripting.scripts import FULL, Script

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_MOVING = re.compile(rf"moving:({_NUMBER.pattern}):({_NUMBER.pattern})")

_RESTORE = Script(
    "namespace/restore_layout", parts=(FULL,), keys=("layout", "repartition"), args=("found", "layout")
)


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
    return int(layout) if _NUMBER.fullmatch(layout) else None


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


async def read_restored(control: Client, seen: str) -> str | None:
    """Return the layout of the control partition, and put `seen` back where another program has overwritten it.

    `seen` is the layout that this process saw last; "" before it saw one. A number is not put back while data
    moves, which may have begun since. Safe to repeat. Raises BrokerError.
    """
    with translated():
        stored = await control.get(control.names.layout)
        text = "" if stored is None else stored.decode("utf-8", "replace")
        if seen and (not text or parse(text) is None):
            await _RESTORE(control, found=stored or b"", layout=seen)
    return text or None


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
