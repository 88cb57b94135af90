"""Confirms entries of the stream before their events are processed in other partitions."""

from __future__ import annotations

from collections.abc import Sequence

from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmed
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, Script

_PENDING_ENTRIES = Script("queue/pending_entries", parts=(FULL,), keys=("stream", "probe"), rest="entries")


async def are_confirmed(redis: Client, entry_ids: Sequence[str], confirmation: Confirmation) -> bool:
    """Return whether all of these entries are pending, as this confirmation shows.

    False if another worker has committed one, or a failover undid it after it was read: the new primary confirms
    writes, but does not have the entry. Raises BrokerError; NotDurable if Redis confirms less.
    """
    with translated():
        pending = await confirmed(redis, confirmation, _PENDING_ENTRIES, entries=entry_ids)
    return len(pending) == len(entry_ids)
