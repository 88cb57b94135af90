"""Counts the waiting notifications by cause, and compares them with the counter of waiting notifications.

If another program removes a job, the counters still add up, but `waiting` counts notifications that are gone.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from broker.monitoring.stats import Totals, totals_of
from broker.queue.waiting.cause import Causes
from broker.queue.waiting.estimate import estimate
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import PAIRS, Script

MAX_JOBS = 10_000
"""If there are more jobs, the causes are estimated, and nothing is compared: counting them would block Redis for
longer than 15 ms."""

MAX_DIGESTS = 1000
"""If there are more windows of digests, the same applies."""

_COUNT = Script(
    "queue/waiting/count",
    parts=(PAIRS,),
    keys=("queue", "channels", "digests_ends", "digests", "digests_counted", "stats_total"),
    args=("most_jobs: number", "most_digests: number"),
)


class Waiting(Struct, frozen=True):
    """The counters and the notifications that wait, read at the same moment."""

    totals: Totals
    """The values of all counters."""

    causes: Causes
    """How many notifications wait for what. Together they are those that exist."""

    is_estimated: bool = False
    """True if there are too many to count. Then the causes come from a sample, and add up to the counter."""

    @property
    def counted(self) -> int:
        """The value of the counter `waiting`."""
        return self.totals.waiting

    @property
    def missing(self) -> int:
        """How many notifications are counted but do not exist; negative if more exist than are counted."""
        return self.counted - self.causes.total()


async def read_waiting(redis: Client) -> Waiting:
    """Read the counters, and count the waiting notifications by cause. Raises BrokerError."""
    with translated():
        fields, too_many, *counts = await _COUNT(redis, most_jobs=MAX_JOBS, most_digests=MAX_DIGESTS)
    totals = totals_of(dict(zip(fields[::2], fields[1::2], strict=True)))
    if too_many:
        return Waiting(totals, await estimate(redis, totals.waiting), is_estimated=True)
    return Waiting(totals, Causes(*counts))


def sum_causes(causes_of_each: Iterable[Causes]) -> Causes:
    """Return the sums, and the time until the first retry of all."""
    each = list(causes_of_each)
    counts = {
        name: sum(getattr(causes, name) for causes in each)
        for name in Causes.__struct_fields__
        if name != "next_retry_ms"
    }
    next_ms = min((causes.next_retry_ms for causes in each if causes.next_retry_ms is not None), default=None)
    return Causes(**counts, next_retry_ms=next_ms)
