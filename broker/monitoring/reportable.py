"""The counts that decide which checks for alerts are needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import Script

_REPORTABLE = Script(
    "monitoring/reportable",
    keys=("alerts", "clocks", "dead_unreported", "dead_reported", "dead_index", "stats_total"),
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


def sum_reportable(partitions: Mapping[int, Reportable]) -> Reportable:
    """Return the sums over all partitions, by number. Alerts and clocks are counted in the control partition."""
    return Reportable(*map(sum, zip(*partitions.values(), strict=True)))


async def read_reportable(redis: Client, *, minutes: int) -> Reportable:
    """Read the counts with one command. minutes: for `died`, including the current one. Raises BrokerError."""
    with translated():
        return Reportable(*await _REPORTABLE(redis, minutes=minutes))
