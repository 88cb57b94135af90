"""Computes what a deployment needs. Pure: it depends on what is asked and on the figures.

The rules that are not measured are named constants here, so that they can be compared with one's own.
"""

from __future__ import annotations

from math import ceil

from msgspec import Struct

from broker.history.settings import HistorySettings
from launcher.commands.size import figures

LOAD = 0.5
"""Share of its capacity that each part is planned for, so that a failure and a peak leave room."""

CATCH_UP = 2.0
"""How many times the rate workers and Redis are planned for: a backlog is gone after as long as it grew."""

MEMORY_LOAD = 0.8
"""Share of maxmemory that is planned for; beyond it the alert `memory` is raised."""

AOF_COPIES = 3
"""The append-only file grows to twice the data before Redis rewrites it, and the new one is beside it."""

SPARE_RECEIVERS = 1
FEWEST_PRIMARIES = 3
CLUSTER_PARTITIONS = 16
_DAY_S = 86_400


class Asked(Struct, frozen=True, kw_only=True):
    """The load that a deployment is computed for."""

    rate_per_s: float
    """Webhooks a second, for long: also those of a redelivery count."""

    body_bytes: int
    outage_s: int
    """Seconds for which workers, or all targets, may be away."""

    notifications: float = 1.0
    """Notifications for each webhook, on average."""

    dedupe_days: int = 7
    batch: int = 1
    """Webhooks in a batch. In batches of 1 they take the most memory."""

    max_waiting: int = 1_000_000
    """The setting worker.max_waiting: beyond it webhooks stay in the queue."""

    history_mb: int = HistorySettings().max_mb
    """The setting history.max_mb: beyond it the oldest part of the history is removed. 0 without a history."""


class Needs(Struct, frozen=True, kw_only=True):
    """The needs of a deployment. All sizes are in bytes, and network in bytes a second."""

    queued: int
    """Webhooks that wait in Redis at the end of the outage."""

    queued_bytes: int
    waiting_bytes: int
    identities: int
    """Identities that are remembered at the same time."""

    identities_bytes: int
    history_bytes: int
    redis_bytes: int
    """The sum of the four."""

    maxmemory_bytes: int
    """The value for maxmemory, of all primaries together."""

    partitions: int
    primaries: int
    receivers: int
    """Receiver processes, one for each core, with a spare one."""

    workers: int
    """Worker processes, one for each core."""

    aof_disk_bytes: int
    spill_disk_bytes: int
    """Disk of all receivers together, if Redis is away for as long as the workers."""

    network_in_bytes_per_s: int
    """From the providers, bodies alone."""

    network_redis_bytes_per_s: int
    """To and from Redis together, batches alone."""


def compute(asked: Asked) -> Needs:
    """Return what this load needs. It never becomes less if the load grows."""
    queued = ceil(asked.rate_per_s * asked.outage_s)
    batch_bytes = queued_bytes_each(asked)
    identities = ceil(asked.rate_per_s * _DAY_S * (asked.dedupe_days + 1))
    waiting = min(ceil(queued * asked.notifications), asked.max_waiting)
    sizes = {
        "queued_bytes": ceil(queued * batch_bytes),
        "waiting_bytes": ceil(waiting * figures.WAITING.value * _size_factor(asked)),
        "identities_bytes": ceil(identities * identity_bytes(asked)),
        "history_bytes": ceil(min(history_bytes(asked), asked.history_mb * 1e6)),
    }
    redis_bytes = sum(sizes.values())
    primaries = _primaries(asked)
    return Needs(
        queued=queued,
        identities=identities,
        **sizes,
        redis_bytes=redis_bytes,
        maxmemory_bytes=ceil(redis_bytes / MEMORY_LOAD),
        partitions=CLUSTER_PARTITIONS if primaries > 1 else 1,
        primaries=primaries,
        receivers=_receivers(asked),
        workers=_workers(asked, in_cluster=primaries > 1),
        aof_disk_bytes=AOF_COPIES * redis_bytes,
        spill_disk_bytes=sizes["queued_bytes"],
        network_in_bytes_per_s=ceil(asked.rate_per_s * asked.body_bytes),
        network_redis_bytes_per_s=ceil(2 * asked.rate_per_s * batch_bytes),
    )


def queued_bytes_each(asked: Asked) -> float:
    """Return the memory of one queued webhook, by the largest measured batch that is not above the asked one."""
    measured = max(size for size in figures.QUEUED if size <= asked.batch)
    return figures.QUEUED[measured].value * _size_factor(asked)


def history_bytes(asked: Asked) -> float:
    """Return the memory of the history of the default history.keep_days, without a limit of its size.

    Each further notification counts as an event, which is more than it takes.
    """
    events = asked.rate_per_s * _DAY_S * HistorySettings().keep_days
    return events * max(1.0, asked.notifications) * figures.HISTORY.value


def identity_bytes(asked: Asked) -> float:
    """Return the memory of one identity: more where a day has too many for compact sets."""
    figure = figures.LARGE_SET_IDENTITY if has_large_sets(asked) else figures.IDENTITY
    return figure.value


def has_large_sets(asked: Asked) -> bool:
    """Return whether set-max-intset-entries 8192 is too small for one source with this rate."""
    return asked.rate_per_s * _DAY_S > figures.COMPACT_A_DAY


def _size_factor(asked: Asked) -> float:
    """Return how many times the measured size a body has, at least 1, as what is around it does not shrink."""
    return max(1.0, asked.body_bytes / figures.BODY_BYTES)


def _primaries(asked: Asked) -> int:
    planned = asked.rate_per_s * CATCH_UP
    if planned <= figures.ONE_REDIS.value * LOAD:
        return 1
    return max(FEWEST_PRIMARIES, ceil(planned / (figures.ONE_PRIMARY.value * LOAD)))


def _receivers(asked: Asked) -> int:
    return ceil(asked.rate_per_s * _size_factor(asked) / (figures.RECEIVED.value * LOAD)) + SPARE_RECEIVERS


def _workers(asked: Asked, *, in_cluster: bool) -> int:
    further = max(0.0, asked.notifications - 1)
    each_us = figures.EVENT.value * _size_factor(asked) + figures.NOTIFY.value * further
    cores = asked.rate_per_s * CATCH_UP * each_us / 1e6 / LOAD
    if in_cluster:
        cores *= figures.CLUSTER_CPU.value
    return ceil(cores) if cores <= 1 else ceil(cores * figures.PROCESSES.value)
