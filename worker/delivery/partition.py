"""A partition, for the jobs that this process runs there."""

from __future__ import annotations

from msgspec import Struct

from broker.redis.client import Client
from worker.delivery.capacity.channel_runtime import ChannelRuntimes
from worker.delivery.outcome_recorder import OutcomeRecorder


class Partition(Struct, frozen=True, eq=False):
    """The objects that the jobs of one partition share in this process."""

    redis: Client
    owner: str
    """The worker's name, which owns the leases."""

    recorder: OutcomeRecorder
    channels: ChannelRuntimes
