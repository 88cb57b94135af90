"""Trying what Hookline promises, instead of believing that it works."""

from __future__ import annotations

from redis.exceptions import NoScriptError

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmed
from broker.redis.errors import translated


async def probe(redis: Client, confirmation: Confirmation | None = None) -> None:
    """Run a script that writes a key of its own, as a write of a batch does. Safe to repeat at any time.

    `confirmation`: write in any case and wait for it, which may take a second with `appendfsync everysec`. Without
    it nearly every probe only has Redis check whether it takes writes. Raises BrokerError.
    """
    asked = confirmation or Confirmation()
    must_write = "0" if confirmation is None else "1"
    with translated():
        try:
            await confirmed(redis, asked, scripts.PROBE.sha, must_write)
        except NoScriptError:
            await redis.script_load(scripts.PROBE.text)
            await confirmed(redis, asked, scripts.PROBE.sha, must_write)
