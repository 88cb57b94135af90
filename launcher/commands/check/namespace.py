"""Checks of the namespace in Redis: which installation it belongs to, and which workers use it."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from broker.namespace.installation import others_than
from broker.queue import stream
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import BrokerError
from launcher.composition.namespace_claim import in_use_message, senders
from launcher.config.config import Config
from worker.components import fingerprint, setup_of


class NamespaceFindings(Struct, frozen=True):
    """Problems and notes about the namespace."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_namespace(redis: RedisSettings, config: Config) -> NamespaceFindings:
    """Compare the config with the running workers. Returns nothing where Redis does not answer."""
    return asyncio.run(_check(redis, config))


async def _check(redis: RedisSettings, config: Config) -> NamespaceFindings:
    client = connect(redis)
    try:
        against = await others_than(client, senders(config))
        running = list((await stream.live_workers(client)).values())
    except BrokerError:
        return NamespaceFindings()
    finally:
        await client.aclose()
    problems = (in_use_message(redis.namespace, against),) if against else ()
    own = fingerprint(setup_of(config.sources, config.rules, config.channels, config.alerts)).encode()
    others = sum(other != own for other in running)
    note = (
        f'{others} of {len(running)} workers in the namespace "{redis.namespace}" run with another config than '
        "this one: reload or restart them, or give this installation its own redis.namespace"
    )
    return NamespaceFindings(problems, (note,) if others else ())
