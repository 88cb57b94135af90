"""How each partition confirms that it keeps what was moved to it: as it confirms webhooks.

A confirmation counts only if the server is the one that took the writes. After a failover the new primary confirms
what it has, and the last writes of the old one may be missing there.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, Durability, confirmation_for
from broker.redis.errors import Unavailable, translated
from broker.redis.partitions import Partitions
from broker.redis.server.facts import read_facts
from broker.redis.server.probe import probe


class Server(Struct, frozen=True):
    """The server of a partition when the move began or went on, and how it confirms a write."""

    history: tuple[str, str]
    """The id of the process, and that of the data, which changes when a replica becomes the primary. They are ""
    if the server does not report them."""

    confirmation: Confirmation


async def servers_of(partitions: Partitions, durability: Durability) -> Sequence[Server]:
    """Return the server of each partition. Raises BrokerError, and NotDurable where it cannot confirm writes."""
    servers = []
    for client in partitions:
        history, facts = await _history(client), await read_facts(client)
        servers.append(Server(history, confirmation_for(facts, durability.name, durability.replicas)))
    return servers


async def confirm(client: Client, server: Server) -> None:
    """Wait until the partition keeps all that was written to it. Raises BrokerError, also after a failover."""
    await probe(client, server.confirmation)
    if await _history(client) != server.history:
        raise Unavailable(
            f"the server of partition {client.partition} was restarted or replaced, and may lack what just moved"
        )


async def _history(client: Client) -> tuple[str, str]:
    with translated():
        info = await client.info()
    return str(info.get("run_id", "")), str(info.get("master_replid", ""))
