"""Failures of the cluster while webhooks come in: a primary is killed, and slots are moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count

import redis
from msgspec import Struct

from tests.cluster import Cluster, Node
from tests.until import until
from tools.cluster_demo.installation import DemoError, within

_TAKEOVER_WITHIN_S = 30.0
_WHOLE_WITHIN_S = 60.0


class Takeover(Struct, frozen=True):
    """A primary that was killed, and the replica that took its place."""

    killed: Node
    replica: Node
    seconds: float
    """From the kill until another node reported the replica as the primary."""


async def kill_primary(cluster: Cluster, slot: int) -> Takeover:
    """Kill the primary of a slot with SIGKILL, and wait until its replica has taken over. Raises DemoError."""
    killed = cluster.primary_of(slot)
    witness = cluster.other_primary(killed)
    began_s = time.monotonic()
    killed.kill()
    await within(
        until(lambda: cluster.primary_of(slot, seen_by=witness) is not killed, seconds=_TAKEOVER_WITHIN_S),
        f"no replica took over within {_TAKEOVER_WITHIN_S:g} s",
    )
    return Takeover(killed, cluster.primary_of(slot, seen_by=witness), time.monotonic() - began_s)


async def start_again(cluster: Cluster, node: Node) -> None:
    """Start a killed node, which becomes a replica, and wait until it has all data. Raises DemoError."""
    await asyncio.to_thread(node.start)
    await within(
        until(cluster.is_whole, seconds=_WHOLE_WITHIN_S), f"the cluster was not whole within {_WHOLE_WITHIN_S:g} s"
    )


class Moves(Struct):
    """How often a slot was moved to another node and back."""

    at_once: int = 0
    """In one step: CLUSTER MIGRATESLOTS of Valkey 9."""

    key_by_key: int = 0


async def move_slots(cluster: Cluster, slots: list[int], goes_on: Callable[[], bool]) -> Moves:
    """Move one slot after another to another primary and back, in each way that the server can. Raises DemoError.

    Moves each way at least once, and goes on while `goes_on` returns True.
    """
    moves, ways = Moves(), cluster.ways_to_move()
    for number in count():
        if number >= len(ways) and not goes_on():
            return moves
        way, slot = ways[number % len(ways)], slots[number % len(slots)]
        source = cluster.primary_of(slot)
        target = cluster.other_primary(source)
        try:
            for start, end in ((source, target), (target, source)):
                await within(way(slot, start, end), f"slot {slot} did not move to node {end.port}")
        except redis.RedisError as error:
            raise DemoError(f"slot {slot} could not be moved: {error}") from None
        if way == cluster.move_at_once:
            moves.at_once += 1
        else:
            moves.key_by_key += 1
    raise AssertionError  # `count` never ends
