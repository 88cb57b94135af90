"""Whether the notifications that the counters say wait are really there.

The sums alone cannot see a job that another program removed: `waiting` then counts what is gone.
"""

from __future__ import annotations

from msgspec import Struct

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated

MAX_JOBS = 10_000
"""Beyond so many jobs nothing is compared: to count them all would hold Redis for longer than 10 ms."""

MAX_DIGESTS = 1000


class Waiting(Struct, frozen=True):
    """Both counts, of one moment."""

    counted: int
    """What the counter says."""

    there: int | None
    """Notifications in jobs and digests; None where there are too many to count."""

    @property
    def missing(self) -> int:
        """Notifications that are counted as waiting and lie nowhere; negative where more lie there."""
        return 0 if self.there is None else self.counted - self.there


async def read_waiting(redis: Client) -> Waiting:
    """Count what waits. Raises BrokerError."""
    with translated():
        counted, there, too_many = await scripts.COUNT_WAITING(redis, MAX_JOBS, MAX_DIGESTS)
    return Waiting(counted, None if too_many else there)
