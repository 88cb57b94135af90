"""What stays for the life of a worker process."""

from __future__ import annotations

from msgspec import Struct

from broker.redis.client import Client
from worker.delivery.channel_runtime import ChannelRuntimes
from worker.delivery.outcome_recorder import Recorder
from worker.settings import Settings


class WorkerContext(Struct, frozen=True):
    """It."""

    redis: Client
    name: str
    """Of the worker: it owns leases by it."""

    settings: Settings
    recorder: Recorder
    runtimes: ChannelRuntimes
