"""Makes sure that the processes of an installation agree with Redis about the number of partitions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable

from broker.namespace import layout
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import BrokerError
from broker.redis.partitions import connect_all
from launcher.errors import LayoutError

log = logging.getLogger("hookline.launcher")

_START_S = 2.0
"""Seconds that a start waits for Redis. Then it starts, and finds out later."""

_WATCH_S = 5.0
"""Seconds between two looks at the layout. A worker commits nothing with a wrong one in the meantime."""

_OVERWRITTEN = "another program wrote %r to the key layout: %s is put back. Find out which program wrote it"


def check_layout(redis: RedisSettings, stored: str) -> None:
    """Raise LayoutError where a process with this config may not run on the data in Redis."""
    if not layout.fits(stored, redis.partitions):
        raise LayoutError(layout_message(redis, stored))


def check_layout_now(redis: RedisSettings) -> None:
    """Check the layout if Redis answers, without changing anything. Raises LayoutError."""
    asyncio.run(_check_now(redis))


async def _check_now(redis: RedisSettings) -> None:
    client = connect(redis, retries=0)
    try:
        async with asyncio.timeout(_START_S):
            stored = await layout.read(client)
    except (BrokerError, TimeoutError):
        return
    finally:
        await client.aclose()
    if stored is not None:
        check_layout(redis, stored)


async def watch_layout(redis: RedisSettings) -> None:
    """Store the layout in all partitions as soon as they answer, and log when data moves and when it has moved."""
    control = connect(redis)
    try:
        await _watch(redis, control, must_fit=False)
    finally:
        await control.aclose()


async def while_layout_fits(redis: RedisSettings, work: Awaitable[None]) -> None:
    """Await `work`, which stops at SIGTERM, and stop it when the data has another number of partitions.

    Raises LayoutError then, after the work has stopped.
    """
    control = connect(redis)
    watching = asyncio.create_task(_watch(redis, control, must_fit=True))
    watching.add_done_callback(_stop_work)
    try:
        await work
        if watching.done():
            watching.result()
    finally:
        watching.remove_done_callback(_stop_work)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError, LayoutError):
            await watching
        await control.aclose()


def layout_message(redis: RedisSettings, stored: str) -> str:
    """Why a process may not run on the data in Redis, and how to fix it."""
    wanted = f"redis.partitions (HOOKLINE_REDIS_PARTITIONS) is {redis.partitions}"
    match layout.parse(stored):
        case layout.Move(old=old, new=new):
            return (
                f'{wanted}, but the data of the namespace "{redis.namespace}" is being moved from {old} to {new} '
                f"partitions: set it to {new}"
            )
        case int(number):
            return (
                f'{wanted}, but the data of the namespace "{redis.namespace}" in Redis has {number}: set it to '
                f"{number}, or move the data: hookline redis repartition"
            )
    return (
        f'{wanted}, but the key layout of the namespace "{redis.namespace}" in Redis has a value that Hookline '
        f"never writes: restore it from a backup, or set it to the number of partitions that the data has"
    )


def _stop_work(watching: asyncio.Task[None]) -> None:
    if not watching.cancelled() and watching.exception():
        signal.raise_signal(signal.SIGTERM)


async def _watch(redis: RedisSettings, control: Client, *, must_fit: bool) -> None:
    seen = ""
    is_spread = redis.partitions == 1
    while True:
        try:
            stored = await layout.read_restored(control, seen)
        except BrokerError:  # other loops report it
            stored = None
        if stored == str(redis.partitions) and not is_spread:
            is_spread = await _spread(redis, stored)
        if stored is not None and layout.parse(stored) is None:
            text = _OVERWRITTEN % (stored[:40], seen) if seen else layout_message(redis, stored)
            log.error("%s", text, extra={"action": "layout_overwritten"})
        elif stored is not None and stored != seen:
            _note(redis, stored, was=seen, must_fit=must_fit)
            seen = stored
        await asyncio.sleep(_WATCH_S)


async def _spread(redis: RedisSettings, stored: str) -> bool:
    """Store the layout in the other partitions that have none. Returns whether all answered."""
    partitions = connect_all(redis, retries=0)
    try:
        return await layout.spread(partitions.all[1:], stored)
    finally:
        await partitions.aclose()


def _note(redis: RedisSettings, stored: str, *, was: str, must_fit: bool) -> None:
    """Log a change of the layout. Raises LayoutError where the process must not run on it."""
    move = layout.parse(stored)
    if not layout.fits(stored, redis.partitions):
        if must_fit:
            raise LayoutError(layout_message(redis, stored))
        log.error(
            "%s, and restart this process", layout_message(redis, stored), extra={"action": "layout_changed"}
        )
    elif isinstance(move, layout.Move):
        text = "data is moved from %d to %d partitions: workers wait, and process webhooks afterwards"
        log.warning(text, move.old, move.new, extra={"action": "layout_moving"})
    elif was:
        log.info("data has moved: there are %d partitions", redis.partitions, extra={"action": "layout_moved"})
