"""The partitions of an installation: one client for each, and the home of everything that is found by its name.

docs/architecture.md lists which state has its home where, and which steps cross partitions.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Sequence

from broker.redis.client import Client
from broker.redis.connection import Settings, cluster_nodes, connect
from broker.redis.errors import BrokerError


class Partitions:
    """The clients of all partitions, in the order of their numbers. Partition 0 is the control partition."""

    def __init__(self, clients: Sequence[Client]) -> None:
        """clients: at least one, each with the names of its own partition."""
        self.all = tuple(clients)
        self.away: dict[int, tuple[float, BrokerError]] = {}
        """Partitions that did not answer: until when (monotonic) they are not asked again, and why."""

    @property
    def control(self) -> Client:
        """The client of the partition with the state that is not divided: see docs/architecture.md."""
        return self.all[0]

    def __iter__(self) -> Iterator[Client]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def __getitem__(self, number: int) -> Client:
        return self.all[number]

    def home_of(self, bucket: int) -> int:
        """Return the number of the partition that remembers an identity. bucket: see broker/queue/dedupe.py."""
        return bucket % len(self.all)

    def number_for(self, name: str) -> int:
        """Return the number of the partition of a digest, a subject or a channel's rate, by its name."""
        if len(self.all) == 1:
            return 0
        return zlib.crc32(name.encode("utf-8", "surrogatepass")) % len(self.all)

    async def aclose(self) -> None:
        """Close the connections to all partitions."""
        await asyncio.gather(*(client.aclose() for client in self.all))


def named(numbers: Iterable[int]) -> str:
    """Return partitions as a text names them: `partition 1`, or `partitions 0, 2 and 3`."""
    *first, last = [str(number) for number in sorted(numbers)]
    return f"partitions {', '.join(first)} and {last}" if first else f"partition {last}"


def connect_all(settings: Settings, *, retries: int = 3) -> Partitions:
    """Create a client with its own connection pool for each partition; see `connect`. Raises Misconfigured."""
    nodes = cluster_nodes(settings)
    return Partitions(
        [
            connect(settings, retries=retries, partition=number, nodes=nodes)
            for number in range(settings.partitions)
        ]
    )
