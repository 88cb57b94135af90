"""Compares the counter of waiting notifications with the notifications that really exist.

If another program removes a job, the counters still add up, but `waiting` counts notifications that are gone.
"""

from __future__ import annotations

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import Script

MAX_JOBS = 10_000
"""If there are more jobs, nothing is compared: counting them would block Redis for longer than 10 ms."""

MAX_DIGESTS = 1000
"""If there are more digests, nothing is compared."""


_COUNT_WAITING = Script(
    "queue/count_waiting",
    keys=("queue", "channels", "digests", "digests_counted", "stats_total"),
    args=("most_jobs: number", "most_digests: number"),
)


class Waiting(Struct, frozen=True):
    """The two counts, read at the same moment."""

    counted: int
    """The value of the counter `waiting`."""

    there: int | None
    """The number of notifications in jobs and digests; None if there are too many to count."""

    @property
    def missing(self) -> int:
        """How many notifications are counted but do not exist; negative if more exist than are counted."""
        return 0 if self.there is None else self.counted - self.there


async def read_waiting(redis: Client) -> Waiting:
    """Read the counter, and count the waiting notifications. Raises BrokerError."""
    with translated():
        counted, there, too_many = await _COUNT_WAITING(redis, most_jobs=MAX_JOBS, most_digests=MAX_DIGESTS)
    return Waiting(counted, None if too_many else there)
