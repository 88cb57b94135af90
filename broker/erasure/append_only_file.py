"""Redis' append-only file keeps every command until Redis rewrites it, also those that wrote what was removed."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import BrokerError, translated

_POLL_S = 0.1

RewriteState = Literal["rewritten", "off", "failed"]


class Rewrite(Struct, frozen=True):
    """What became of the file."""

    state: RewriteState
    """`off`: Redis keeps no such file."""

    reason: str = ""
    """Why it failed, in words."""


async def rewrite(redis: Client, *, timeout_s: float) -> Rewrite:
    """Have Redis rewrite the file, and wait until it has. Never raises BrokerError: that is a reason.

    A rewrite that is under way began before, so it is waited for first. timeout_s: for both.
    """
    until_s = time.monotonic() + timeout_s
    try:
        with translated():
            if not await _is_on(redis):
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


async def _is_on(redis: Client) -> bool:
    return bool((await redis.info("persistence")).get("aof_enabled"))


async def _is_idle_before(redis: Client, until_s: float) -> bool:
    """Whether no rewrite runs or waits, at some moment until then."""
    while _is_busy(await redis.info("persistence")):
        if time.monotonic() >= until_s:
            return False
        await asyncio.sleep(_POLL_S)
    return True


def _is_busy(info: dict[str, Any]) -> bool:
    return bool(info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled"))
