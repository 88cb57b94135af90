"""Claims of jobs, in the form that tests need."""

from broker.queue import claims
from broker.redis.client import Client


async def claim(redis: Client, owner: str, *, count: int = 10, lease_ms: int = 60_000) -> list[str]:
    """Claim jobs and return their ids."""
    claimed = await claims.claim(redis, owner, count=count, lease_ms=lease_ms)
    return [job.id for job in claimed.jobs]
