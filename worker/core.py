"""What stays for the life of a worker process."""

from __future__ import annotations

from msgspec import Struct

from broker.client import Client
from worker.lanes import Lanes
from worker.recording import Recorder
from worker.settings import Settings


class Core(Struct, frozen=True):
    """It."""

    redis: Client
    name: str
    """Of the worker: it owns leases by it."""

    settings: Settings
    recorder: Recorder
    lanes: Lanes
