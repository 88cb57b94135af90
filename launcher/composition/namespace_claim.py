"""Makes sure that a namespace in Redis belongs to one installation, and has the partitions of its config."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from msgspec import structs

from broker.namespace.installation import Claim, Sender, claim
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.errors import BrokerError
from broker.redis.outage import Outage, until_done
from launcher.composition.layout import check_layout
from launcher.config.config import Config
from launcher.errors import NamespaceInUseError

log = logging.getLogger("hookline.launcher")

_CLAIM_S = 2.0
"""Seconds that a start waits for Redis to report who owns the namespace. Then it starts, and asks again later."""


def claim_now(redis: RedisSettings, config: Config, *, accept: bool = False) -> None:
    """Claim the namespace for this installation, if Redis answers. Raises NamespaceInUseError, LayoutError.

    accept: claim it also if another installation owns it.
    """
    asyncio.run(_claim_now(redis, config, accept))


async def _claim_now(redis: RedisSettings, config: Config, accept: bool) -> None:
    client = connect(redis, retries=0)
    try:
        async with asyncio.timeout(_CLAIM_S):
            claimed = await claim(client, senders(config), partitions=redis.partitions, accept=accept)
    except (BrokerError, TimeoutError):
        return  # each process reports it, and claims again
    finally:
        await client.aclose()
    _check(redis, claimed)


async def claim_when_there(redis: RedisSettings, config: Config) -> None:
    """Claim the namespace as soon as Redis answers, by the sources' names alone.

    Raises NamespaceInUseError, LayoutError.
    """
    client = connect(redis)
    # The secrets may have changed since the process that started this one read them.
    without_secrets = [structs.replace(sender, secrets=()) for sender in senders(config)]
    try:
        claimed = await until_done(
            lambda: claim(client, without_secrets, partitions=redis.partitions),
            Outage(log, "claiming the namespace"),
        )
    finally:
        await client.aclose()
    _check(redis, claimed)


def _check(redis: RedisSettings, claimed: Claim) -> None:
    if claimed.against:
        raise NamespaceInUseError(in_use_message(redis.namespace, claimed.against))
    check_layout(redis, claimed.layout)


async def recorded_updates(redis: RedisSettings, updates: AsyncIterator[Config]) -> AsyncIterator[Config]:
    """The updates, each recorded in Redis before it takes effect."""
    client = connect(redis)
    try:
        async for config in updates:
            await _record_sources(client, config)
            yield config
    finally:
        await client.aclose()


async def _record_sources(client: Client, config: Config) -> None:
    """Record the changed sources as the owner of the namespace. While Redis is away nothing is recorded."""
    try:
        await claim(client, senders(config), partitions=config.redis.partitions, accept=True)
    except BrokerError as error:
        log.warning("changed sources were not recorded in Redis: %s", error, extra={"action": "redis_away"})


def senders(config: Config) -> list[Sender]:
    """The sources of a config, as they identify an installation."""
    return [
        Sender(name, source.kind, tuple(secret.reveal() for secret in source.secrets))
        for name, source in config.sources.items()
    ]


def in_use_message(namespace: str, against: Sequence[str]) -> str:
    """Why this installation may not start, and how to fix it."""
    return (
        f'the namespace "{namespace}" in Redis belongs to an installation with other sources or secrets '
        f"({', '.join(against)}): give this one its own redis.namespace (HOOKLINE_REDIS_NAMESPACE), or, if the "
        "sources were changed on purpose, run: hookline redis accept-sources"
    )
