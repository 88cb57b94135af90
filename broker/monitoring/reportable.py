"""The counts that decide which checks for alerts are needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import Script

_REPORTABLE = Script(
    "monitoring/reportable",
    keys=(
        "alerts",
        "clocks",
        "dead_unreported",
        "dead_reported",
        "dead_index",
        "stats_total",
        "channels",
        "spilled",
        "stream",
        "queue",
        "digests_ends",
    ),
    args=("minutes: number",),
)


class Reportable(NamedTuple):
    """Numbers that an alert may report."""

    alerts: int
    """Alerts that are active, or have ended by themselves."""

    set_aside: int
    """Keys that were moved aside."""

    off_clocks: int
    """Processes that reported a wrong clock, some perhaps long ago."""

    new_groups: int
    """Failure groups that no alert has reported."""

    purged: int
    """1 if the number of purged dead letters has changed since the last report."""

    letters: int
    """Dead letters that are stored now."""

    died: int
    """Dead letters that were added in the last minutes."""

    channels: int
    """Channels with failures, held jobs or a pause."""

    spilled: int
    """Directories with webhooks that are not in Redis yet, or with damaged ones."""

    queued_since_ms: int
    """When the oldest webhook that waits was queued, in ms since 1970; 0 if none waits. The next two likewise."""

    due_since_ms: int
    """When the job that waits for a worker for longest was due."""

    digest_since_ms: int
    """When the digest that is late for longest was to be sent."""


_TIMES = ("queued_since_ms", "due_since_ms", "digest_since_ms")


def sum_reportable(partitions: Mapping[int, Reportable]) -> Reportable:
    """Return the sums over all partitions, by number, and the earliest of each time.

    Alerts and clocks are counted in the control partition.
    """
    sums = Reportable(*map(sum, zip(*partitions.values(), strict=True)))
    times = {name: [getattr(one, name) for one in partitions.values()] for name in _TIMES}
    return sums._replace(**{name: min(filter(None, each), default=0) for name, each in times.items()})


async def read_reportable(redis: Client, *, minutes: int) -> Reportable:
    """Read the counts with one command. minutes: for `died`, including the current one. Raises BrokerError."""
    with translated():
        return Reportable(*await _REPORTABLE(redis, minutes=minutes))
