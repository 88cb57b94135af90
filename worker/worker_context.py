"""The objects that live as long as a worker process, through every reload."""

from __future__ import annotations

from msgspec import Struct

from broker.redis.client import Client
from worker.delivery.channel_runtime import ChannelRuntimes
from worker.delivery.outcome_recorder import OutcomeRecorder
from worker.settings import Settings


class WorkerContext(Struct, frozen=True):
    """The objects that all components of a worker process share."""

    redis: Client
    name: str
    """The worker's name, which owns its leases."""

    settings: Settings
    recorder: OutcomeRecorder
    runtimes: ChannelRuntimes
