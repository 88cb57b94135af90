"""What stays for the life of a worker process."""

from __future__ import annotations

from arq.connections import ArqRedis
from msgspec import Struct

from worker.lanes import Lanes
from worker.recording import Recorder
from worker.settings import Settings


class Core(Struct, frozen=True):
    """It."""

    redis: ArqRedis
    name: str
    """Of the worker: it owns leases by it."""

    settings: Settings
    recorder: Recorder
    lanes: Lanes
