"""Makes Redis rewrite its append-only file.

Until then the file contains every command, including those that wrote data which has been removed since.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import BrokerError, translated

_POLL_S = 0.1

RewriteState = Literal["rewritten", "off", "failed"]


class Rewrite(Struct, frozen=True):
    """The result of rewriting the append-only file."""

    state: RewriteState
    """`off` means that Redis has no append-only file."""

    reason: str = ""
    """The reason for `failed`, as a text for the operator."""


async def rewrite(redis: Client, *, timeout_s: float) -> Rewrite:
    """Make Redis rewrite the file, and wait until it is done. Returns `failed` instead of raising BrokerError.

    timeout_s: for a rewrite that is already running and for the new one together.
    """
    # A rewrite that is already running may have copied the removed data, so a second one must follow it.
    until_s = time.monotonic() + timeout_s
    try:
        with translated():
            is_on = await _is_on(redis)
            if is_on is None:
                return Rewrite("failed", "Redis does not report whether it logs writes to disk")
            if not is_on:
                return Rewrite("off")
            if not await _is_idle_before(redis, until_s):
                return Rewrite("failed", f"another rewrite or snapshot was still running after {timeout_s:g} s")
            await redis.execute_command("BGREWRITEAOF")
            if not await _is_idle_before(redis, until_s):
                return Rewrite("failed", f"it was still running after {timeout_s:g} s")
            status = (await redis.info("persistence")).get("aof_last_bgrewrite_status")
    except BrokerError as error:
        return Rewrite("failed", str(error))
    return Rewrite("rewritten") if status == "ok" else Rewrite("failed", f"Redis says: {status}")


async def rewrite_all(clients: Sequence[Client], *, timeout_s: float) -> Rewrite:
    """Make each server rewrite its file once, all at the same time. clients: several may be of one server.

    timeout_s: as for `rewrite`. The reason for `failed` names a partition if there are several.
    """
    if len(clients) == 1:
        return await rewrite(clients[0], timeout_s=timeout_s)
    by_server = {await _server_of(redis): redis for redis in reversed(clients)}
    results = await asyncio.gather(*(rewrite(redis, timeout_s=timeout_s) for redis in by_server.values()))
    for redis, result in zip(by_server.values(), results, strict=True):
        if result.state == "failed":
            return Rewrite("failed", f"partition {redis.partition}: {result.reason}")
    return next((result for result in results if result.state == "rewritten"), results[0])


async def _server_of(redis: Client) -> str:
    """Return the id of the running server; one of its own for a partition whose server does not report it."""
    own = f"partition {redis.partition}"
    try:
        with translated():
            return str((await redis.info("server")).get("run_id") or own)
    except BrokerError:
        return own


async def _is_on(redis: Client) -> bool | None:
    """Return whether Redis has an append-only file; None if it does not report it."""
    enabled = (await redis.info("persistence")).get("aof_enabled")
    return None if enabled is None else bool(enabled)


async def _is_idle_before(redis: Client, until_s: float) -> bool:
    """Wait until no rewrite is running or scheduled. Returns False if that takes too long."""
    while _is_busy(await redis.info("persistence")):
        if time.monotonic() >= until_s:
            return False
        await asyncio.sleep(_POLL_S)
    return True


def _is_busy(info: dict[str, Any]) -> bool:
    return bool(info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled"))
