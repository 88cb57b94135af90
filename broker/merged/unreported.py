"""New failure groups and purged dead letters of all partitions that no alert has reported yet.

A group is new in each partition where it first appears, and it is reported once: a partition that has seen it in
the last month, and does not wait for its report, proves that it was reported. So nothing has to agree across
partitions, and a worker may die after any step.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from broker import dead_letters
from broker.dead_letters import Unreported
from broker.redis.client import Client
from broker.redis.fan_out import ask_all
from broker.redis.partitions import Partitions


class AllUnreported(Struct, frozen=True):
    """The facts that the next alert must report."""

    new: dict[str, tuple[int, str]]
    """The fingerprints of new groups, each with the number of a partition and the id of its first letter there."""

    known: frozenset[str]
    """Groups that are new in some partitions, and that were reported when they appeared in another one."""

    by_partition: dict[int, Unreported]
    """The facts of each partition, by its number."""

    purges: dict[int, Unreported]
    """The purged letters of each partition, where their number has changed since the last report."""

    @property
    def purged(self) -> int:
        """The number of letters that were purged since the last report."""
        # After a failover Redis may count fewer purged letters than before: then there is nothing to report.
        return sum(max(0, purge.purged - purge.purged_before) for purge in self.purges.values())

    @property
    def purge_name(self) -> str:
        """A name of exactly these purges, which is the same in all workers."""
        return ",".join(f"{purge.purged_before}-{purge.purged}" for purge in self.purges.values())


async def read_all_unreported(partitions: Partitions) -> AllUnreported:
    """Read the partitions that answer. Raises BrokerError if none does."""
    unreported = (await ask_all(partitions, dead_letters.read_unreported)).by_partition
    new: dict[str, tuple[int, str]] = {}
    for number, one in unreported.items():
        for fingerprint, letter in one.new.items():
            new.setdefault(fingerprint, (number, letter))
    known = await _known_elsewhere(partitions, new) if len(partitions) > 1 and new else frozenset[str]()
    purges = {number: one for number, one in unreported.items() if one.purged != one.purged_before}
    return AllUnreported({name: new[name] for name in new if name not in known}, known, unreported, purges)


async def forget_reported(
    partitions: Partitions, unreported: AllUnreported, fingerprints: Collection[str]
) -> None:
    """Remove groups that need no report any more, in all partitions that answer, as they were read.

    Raises BrokerError if none does.
    """

    async def forget(redis: Client) -> None:
        new = unreported.by_partition[redis.partition].new if redis.partition in unreported.by_partition else {}
        await dead_letters.forget_new(redis, {name: new[name] for name in fingerprints if name in new})

    if fingerprints:
        await ask_all(partitions, forget)


async def _known_elsewhere(partitions: Partitions, fingerprints: Collection[str]) -> frozenset[str]:
    async def read(redis: Client) -> set[str]:
        return await dead_letters.reported_groups(redis, fingerprints)

    return frozenset[str]().union(*await ask_all(partitions, read))
