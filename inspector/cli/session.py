"""One command's work on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol, TypeVar

from broker.monitoring.spilled import Spilled
from broker.redis.client import Client
from broker.redis.connection import Settings, connect
from inspector.operations import DryRun, Terms
from inspector.privacy.masking import Masking
from inspector.settings import DeadSettings
from sources.settings import Settings as SourceSettings

T = TypeVar("T")


class Context(Protocol):
    """What the commands need of the command line they are part of, as `ctx.obj`."""

    def redis(self) -> Settings:
        """The Redis to look at."""
        ...

    def channels(self) -> Collection[str]:
        """The names of the channels that are configured."""
        ...

    def sources(self) -> Mapping[str, SourceSettings]:
        """The sources that are configured, by name."""
        ...

    def spilled(self) -> Mapping[str, Spilled]:
        """What receivers of this machine keep on disk, by place."""
        ...

    def dry_run(self) -> DryRun:
        """What workers with this config would make of a dead letter."""
        ...

    def masking(self) -> Masking:
        """What this config hides of payloads."""
        ...

    def terms(self) -> Terms:
        """Tells what a dead letter can be found by."""
        ...

    def keeping(self) -> DeadSettings:
        """How long dead letters are kept."""
        ...

    def user(self) -> str:
        """Who gives the command, as actions and the audit log name them: `cli:ann@host`."""
        ...


def on_redis(context: Context, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run `work` with a client of the context's Redis. Raises BrokerError and what `work` raises."""
    return asyncio.run(_with_client(context.redis(), work))


async def _with_client(settings: Settings, work: Callable[[Client], Awaitable[T]]) -> T:
    client = connect(settings)
    try:
        return await work(client)
    finally:
        await client.aclose()
