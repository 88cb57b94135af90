"""Waits for the jobs that other processes leave to an idle worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from broker.queue.heartbeat import wait_for_wake_up
from broker.redis.client import Client
from broker.redis.outage import Outage, repeat
from runtime.fault_log import Faults

log = logging.getLogger("hookline.worker")

# This limits how long a connection to a server that is gone stays open. Heartbeats find the jobs meanwhile.
_WAIT_S = 30
"""Seconds after which a wait for a wake-up is repeated."""


async def wait_for_wake_ups(redis: Client, idle: asyncio.Event, wake: Callable[[], None]) -> None:
    """Call `wake` for each wake-up, until cancelled. A worker that is not `idle` leaves them to others."""
    faults = Faults(log, "waiting for wake-ups failed", action="wake_up_failed")

    async def step() -> float:
        await idle.wait()
        if await wait_for_wake_up(redis, seconds=_WAIT_S):
            wake()
        return 0.0

    await repeat(step, Outage(log, "waiting for wake-ups", redis=redis, is_secondary=True), faults)
