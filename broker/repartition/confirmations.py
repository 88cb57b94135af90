"""How each partition confirms that it keeps what was moved to it: as it confirms webhooks."""

from __future__ import annotations

from collections.abc import Sequence

from broker.redis.confirmation import Confirmation, Durability, confirmation_for
from broker.redis.partitions import Partitions
from broker.redis.server.facts import read_facts


async def confirmations(partitions: Partitions, durability: Durability) -> Sequence[Confirmation]:
    """Return how each partition confirms a write. Raises BrokerError, and NotDurable where it cannot."""
    return [
        confirmation_for(await read_facts(client), durability.name, durability.replicas) for client in partitions
    ]
