"""Checks that Redis accepts and confirms writes, by making one."""

from __future__ import annotations

from redis.exceptions import NoScriptError

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmed
from broker.redis.errors import translated


async def probe(redis: Client, confirmation: Confirmation | None = None) -> None:
    """Run a script that writes its own key, in the same way as a batch is written. Safe to repeat at any time.

    confirmation: always write, and wait for this confirmation, which may take a second with `appendfsync
    everysec`. By default most probes write nothing, and Redis only checks whether it accepts writes. Raises
    BrokerError.
    """
    asked = confirmation or Confirmation()
    must_write = "0" if confirmation is None else "1"
    with translated():
        try:
            await confirmed(redis, asked, scripts.PROBE.sha, must_write)
        except NoScriptError:
            await redis.script_load(scripts.PROBE.text)
            await confirmed(redis, asked, scripts.PROBE.sha, must_write)
