"""Bodies that wait in the partition of their batch because the partition where they are at home is away.

The list held-bodies:{partition} has them by the partition that they wait for. When that partition answers again,
they return to the stream a few at a time. They count as queued all the time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from broker.queue import batch
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.queue.parts import BATCHES
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, Script


class HeldBodies(Struct, frozen=True):
    """Bodies of one batch that wait for the same partition."""

    home: int
    """The number of the partition that they wait for."""

    batch_id: str
    """The batch that they were received in: see `broker.steps.apply.AppliedBatch`."""

    bodies: Sequence[RawBody]
    places: Sequence[int]
    """The place of each body in that batch (starts at 0)."""

    any_age: bool = False
    """True if the age of their events is not checked."""


_ELEMENT = re.compile(rb"\d+ (\S+) ([\d,]+) ([01])\n")

_RELEASE = Script(
    "queue/release_bodies", parts=(FULL, BATCHES), keys=("held_bodies:home",), args=("home", "most: number")
)
_COUNT = Script("queue/count_held_bodies", keys=("set_aside",), args=("partitions: number",))


def packed(held: HeldBodies) -> bytes:
    """Return held bodies as the list in Redis stores them, which release_bodies.lua describes."""
    facts = f"{len(held.bodies)} {held.batch_id} {packed_places(held.places)} {int(held.any_age)}\n"
    return facts.encode() + batch.encode(list(held.bodies))


def unpacked(element: bytes, home: int) -> HeldBodies:
    """Return held bodies from an element of the list for a partition. Raises UnreadableBatchError."""
    match = _ELEMENT.match(element)
    if match is None:
        raise UnreadableBatchError("it is no batch that waits for another partition")
    bodies = batch.decode(element[match.end() :])
    places = unpacked_places(match[2])
    if len(places) != len(bodies):
        raise UnreadableBatchError("its bodies and their places differ in number")
    return HeldBodies(home, match[1].decode("utf-8", "surrogateescape"), bodies, places, match[3] == b"1")


def packed_places(places: Sequence[int]) -> str:
    """Return places in a batch as an entry of the stream stores them: `3,7`."""
    return ",".join(map(str, places))


def unpacked_places(text: bytes) -> tuple[int, ...]:
    """Return the places that `packed_places` packed; () for an empty or another text."""
    places = text.split(b",")
    return tuple(map(int, places)) if all(place.isdigit() for place in places) else ()


async def release(redis: Client, home: int, *, most: int) -> int:
    """Return up to `most` batches of held bodies to the stream. Returns how many are left. Raises BrokerError."""
    with translated():
        return int(await _RELEASE(redis, home=str(home), most=most))


async def waiting_homes(redis: Client) -> dict[int, int]:
    """Return how many batches of held bodies wait for each partition; only those that any wait for.

    Raises BrokerError.
    """
    with translated():
        counts = await _COUNT(redis, partitions=redis.partitions)
    return {home: count for home, count in enumerate(counts) if count}
