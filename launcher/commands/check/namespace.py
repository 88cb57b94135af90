"""What `hookline check` finds out about the namespace in Redis: whose it is, and who works in it."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from broker.namespace.installation import others_than
from broker.queue import stream
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import BrokerError
from launcher.composition.namespace_claim import refusal, senders
from launcher.config.config import Config
from worker.components import fingerprint, setup_of


class NamespaceFindings(Struct, frozen=True):
    """What is wrong, and what is worth knowing."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def look_at_namespace(redis: RedisSettings, config: Config) -> NamespaceFindings:
    """Compare the config with what runs. A Redis that does not answer says nothing."""
    return asyncio.run(_look(redis, config))


async def _look(redis: RedisSettings, config: Config) -> NamespaceFindings:
    client = connect(redis)
    try:
        against = await others_than(client, senders(config))
        running = await stream.live_configs(client)
    except BrokerError:
        return NamespaceFindings()
    finally:
        await client.aclose()
    problems = (refusal(redis.namespace, against),) if against else ()
    own = fingerprint(setup_of(config.sources, config.rules, config.channels, config.alerts)).encode()
    others = sum(other != own for other in running)
    note = (
        f'{others} of {len(running)} workers in the namespace "{redis.namespace}" run with another config than '
        "this: reload or restart them, or give this installation its own redis.namespace"
    )
    return NamespaceFindings(problems, (note,) if others else ())
