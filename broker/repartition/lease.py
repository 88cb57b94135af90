"""Lets one process at a time move data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from broker.redis import leases
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from broker.repartition.state import RepartitionError

LEASE_S = 15.0
"""Seconds after which another process may go on with the move of a process that died."""


@asynccontextmanager
async def lease(control: Client, owner: str, *, lease_s: float = LEASE_S) -> AsyncIterator[None]:
    """Have the lease of the move while the block runs. Raises RepartitionError if another process has it."""
    if not await _take(control, owner, lease_s):
        raise RepartitionError(
            "another process moves the data, or one has died within the last "
            f"{lease_s:.0f} s: see its output, or run this again in a moment"
        )
    mover = asyncio.current_task()
    assert mover is not None
    is_lost = asyncio.Event()

    async def extend() -> None:
        while not is_lost.is_set():
            await asyncio.sleep(lease_s / 3)
            with suppress(BrokerError):  # the move itself meets it too
                if not await _take(control, owner, lease_s):
                    is_lost.set()
        while True:  # redis-py 5 can take a cancellation for the end of a wait of its own and continue
            mover.cancel()
            await asyncio.sleep(lease_s / 3)

    extending = asyncio.create_task(extend())
    try:
        yield
    except asyncio.CancelledError:
        if not is_lost.is_set():
            raise
        raise RepartitionError("another process has taken the move over") from None
    finally:
        extending.cancel()
        with suppress(asyncio.CancelledError, BrokerError):
            await extending
        with suppress(BrokerError):
            await _take(control, owner, 0)


async def _take(control: Client, owner: str, seconds: float) -> bool:
    return await leases.take_lease(
        control, control.names.repartition_lease, owner=owner, lasts_ms=int(1000 * seconds)
    )
