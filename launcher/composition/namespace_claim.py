"""Makes sure that a namespace in Redis belongs to one installation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from msgspec import structs

from broker.namespace.installation import Sender, claim
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import BrokerError
from launcher.config.config import Config
from launcher.errors import NamespaceInUseError

logger = logging.getLogger("hookline.launcher")

_AGAIN_S = 0.25
_CLAIM_S = 2.0
"""Seconds that a start waits for a Redis that is slow to say whose namespace it is."""


def claim_now(redis: RedisSettings, config: Config, *, accept: bool = False) -> None:
    """Make the namespace this installation's own, where Redis answers. Raises NamespaceInUseError.

    accept: whatever sources it had.
    """
    asyncio.run(_claim_now(redis, config, accept))


async def _claim_now(redis: RedisSettings, config: Config, accept: bool) -> None:
    client = connect(redis, retries=0)
    try:
        async with asyncio.timeout(_CLAIM_S):
            against = await claim(client, senders(config), accept=accept)
    except (BrokerError, TimeoutError):
        return  # the parts report it, and ask again
    finally:
        await client.aclose()
    if against:
        raise NamespaceInUseError(refusal(redis.namespace, against))


async def claim_when_there(redis: RedisSettings, config: Config) -> None:
    """The same as soon as Redis answers, by the names of the sources alone. Raises NamespaceInUseError.

    The secrets may have changed since the process that started this one read them.
    """
    client, is_waiting = connect(redis), False
    try:
        while True:
            try:
                against = await claim(client, (structs.replace(one, secrets=()) for one in senders(config)))
                break
            except BrokerError as error:
                if not is_waiting:
                    logger.warning("waits for Redis: %s", error, extra={"action": "redis_away"})
                is_waiting = True
                await asyncio.sleep(_AGAIN_S)
    finally:
        await client.aclose()
    if against:
        raise NamespaceInUseError(refusal(redis.namespace, against))


async def accepted(redis: RedisSettings, updates: AsyncIterator[Config]) -> AsyncIterator[Config]:
    """The updates, each noted in Redis before it counts: a running process may change all of its sources."""
    client = connect(redis)
    try:
        async for config in updates:
            await accept(client, config)
            yield config
    finally:
        await client.aclose()


async def accept(client: Client, config: Config) -> None:
    """Make the namespace this installation's own, whoever had it. While Redis is away nothing is noted."""
    try:
        await claim(client, senders(config), accept=True)
    except BrokerError as error:
        logger.warning("changed sources were not noted in Redis: %s", error, extra={"action": "redis_away"})


def senders(config: Config) -> list[Sender]:
    """The sources of a config, as far as they tell installations apart."""
    return [
        Sender(name, source.kind, tuple(secret.reveal() for secret in source.secrets))
        for name, source in config.sources.items()
    ]


def refusal(namespace: str, against: list[str]) -> str:
    """Why this installation may not start, and what to do."""
    return (
        f'the namespace "{namespace}" in Redis belongs to an installation with other sources or secrets '
        f"({', '.join(against)}): give this one its own redis.namespace (HOOKLINE_REDIS_NAMESPACE), or, where the "
        "sources were changed on purpose, run: hookline redis accept-sources"
    )
