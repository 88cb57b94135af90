"""The objects that live as long as a worker process, through every reload."""

from __future__ import annotations

from msgspec import Struct

from broker.redis.confirmation import Durability
from broker.redis.partitions import Partitions
from worker.delivery.capacity.process_channels import ProcessChannels
from worker.settings import Settings
from worker.vitals import Vitals


class WorkerContext(Struct, frozen=True):
    """The objects that all components of a worker process share."""

    partitions: Partitions
    name: str
    """The worker's name, which owns its leases."""

    settings: Settings
    durability: Durability
    """The durability of webhooks, which steps that cross partitions get too."""

    channels: ProcessChannels
    vitals: Vitals
