"""Checks that Redis accepts and confirms writes, by making one."""

from __future__ import annotations

from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmed
from broker.redis.errors import translated
from broker.redis.scripting.scripts import Script

_PROBE = Script("redis/probe", keys=("probe",), args=("must_write: number",))


async def probe(redis: Client, confirmation: Confirmation | None = None) -> None:
    """Run a script that writes its own key, in the same way as a batch is written. Safe to repeat at any time.

    confirmation: always write, and wait for this confirmation, which may take a second with `appendfsync
    everysec`. By default most probes write nothing, and Redis only checks whether it accepts writes. Raises
    BrokerError.
    """
    asked = confirmation or Confirmation()
    with translated():
        await confirmed(redis, asked, _PROBE, must_write=int(confirmation is not None))
