"""Every Redis key that Hookline reads or writes, and the numbers that code and Lua share.

The folder declared_keys declares the keys; docs/keys.md is made from these declarations.

All names begin with `{namespace:partition}:`, so that several installations, and other programs, can share one
database. The braces put all keys of a partition into one hash slot of a Redis Cluster.

The counters of stats:total always add up while no work is in progress:
    accepted = processed + duplicate + dead_at_intake + queued
    created  = sent + skipped + dead + waiting
"""

from __future__ import annotations

from typing import get_type_hints

from broker.redis.declared_keys.dead_letters import DeadLetterKeys
from broker.redis.declared_keys.digests import DigestKeys
from broker.redis.declared_keys.history import HistoryKeys
from broker.redis.declared_keys.key import Key
from broker.redis.declared_keys.monitoring import MonitoringKeys
from broker.redis.declared_keys.partitions import PartitionKeys
from broker.redis.declared_keys.queue import QueueKeys

GROUP = "workers"
"""The consumer group of the stream."""

PROBE_TTL_MS = 60_000
STATS_TTL_S = 2 * 86_400
LATEST_TTL_S = 30 * 86_400

DIMENSIONS_MAX = 2000
"""Combinations of dimensions that are indexed; dead letters with any other are found by reading each letter."""

AUDIT_MAX = 100_000
"""Approximate number of audit entries that are kept."""

DIGEST_MAX = 500
"""The largest number of events in one digest. A digest with this many ends early."""

DIGEST_BUCKETS = 1024
"""Over how many keys the open windows of digests are spread."""

DIGEST_ID_BYTES = 12
PACK_ID_BYTES = 17
"""The lengths of ids inside the windows of digests."""

SPILLED_TTL_S = 7 * 86_400

HISTORY_TAIL_MAX = 200_000
"""Approximate number of blocks of the history that wait to be sealed. Beyond it the oldest are lost."""

HISTORY_TAIL_TTL_S = 30 * 86_400

LAYOUT_REMOVED = "removed"
"""The layout of a partition that the number of partitions was reduced by. Nothing is written to it."""

APPLIED_TTL_S = 7 * 86_400
"""How long a home remembers which bodies of another partition's batch it has processed, after it last did so."""

# A worker that was frozen longer than worker.stall_s ends itself when it continues.
COMMITTED_TTL_S = 180
"""How long it remembers them after the batch was committed, for a worker with the same batch that was delayed."""

RETURN_MOMENT_MS = 1500
"""For how many ms started jobs are left to their owners after Redis, or all workers, were away."""


def prefix_of(namespace: str, partition: int = 0) -> str:
    """Return the beginning of the names of all keys of a partition."""
    return f"{{{namespace}:{partition}}}:"


class Names(QueueKeys, DigestKeys, DeadLetterKeys, HistoryKeys, MonitoringKeys, PartitionKeys):
    """The full name of each key. A name that ends with a colon is the beginning of several keys."""

    def __init__(self, prefix: str = prefix_of("hookline")) -> None:
        """prefix: the result of `prefix_of`. Defaults to the namespace `hookline`."""
        self.prefix = prefix
        for field, declared in DECLARED.items():
            setattr(self, field, prefix + declared.name)


DECLARED: dict[str, Key] = {
    field: hint.__metadata__[0]
    for part in Names.__bases__
    for field, hint in get_type_hints(part, include_extras=True).items()
}
"""The declaration of each key, by the field of `Names`."""


def type_of(name: str) -> str:
    """Return the Redis type of a key, by its name after the prefix of the partition; "" if it is not declared."""
    fitting = [key for key in DECLARED.values() if _fits(name, key.name)]
    return max(fitting, key=lambda key: len(key.name)).type if fitting else ""


def _fits(name: str, declared: str) -> bool:
    return name.startswith(declared) if declared.endswith(":") else name == declared
