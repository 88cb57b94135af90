"""Settles one job, as a worker does."""

from __future__ import annotations

from collections.abc import Sequence

from broker.redis.client import Client
from broker.steps import settle as steps
from broker.steps.settle import ChannelFeedback, JobOutcomes, Retry, Settled, SettleResult


async def settle(
    redis: Client,
    owner: str,
    job_id: str,
    outcomes: Sequence[Settled],
    retries: Sequence[Retry] = (),
    feedback: ChannelFeedback | None = None,
) -> SettleResult:
    """Record outcomes of a job. Raises BrokerError."""
    [result] = await steps.settle(redis, owner, [JobOutcomes(job_id, outcomes, retries, feedback)])
    return result
