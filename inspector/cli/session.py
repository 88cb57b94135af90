"""The context of a command: its configuration and its connection to Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from typing import Protocol, TypeVar

from broker.monitoring.spilled import Spilled
from broker.redis.client import Client
from broker.redis.confirmation import Durability
from broker.redis.connection import Settings
from broker.redis.partitions import Partitions, connect_all
from inspector.operations.action_steps.verb_steps import DryRun
from inspector.operations.export.export import EventBucket, SearchTerms
from inspector.privacy.masking import Masking
from inspector.settings import DeadSettings
from sources.settings import Settings as SourceSettings

T = TypeVar("T")


class Context(Protocol):
    """The configuration as the commands need it. The launcher passes it as `ctx.obj`."""

    def redis(self) -> Settings:
        """How to connect to Redis."""
        ...

    def channels(self) -> Collection[str]:
        """Names of the configured channels."""
        ...

    def sources(self) -> Mapping[str, SourceSettings]:
        """Configured sources by name."""
        ...

    def spilled(self) -> Mapping[str, Spilled]:
        """Webhooks that receivers keep on the disk of this machine, by host:directory."""
        ...

    def dry_run(self) -> DryRun:
        """Decodes, routes and renders a dead letter with this configuration."""
        ...

    def masking(self) -> Masking:
        """The parts of payloads that this configuration masks."""
        ...

    def search_terms(self) -> SearchTerms:
        """Returns what a dead letter can be found by."""
        ...

    def event_bucket(self) -> EventBucket:
        """Returns the bucket of the identity of a dead letter's event."""
        ...

    def durability(self) -> Durability:
        """How Redis confirms webhooks, and data that moves to another partition."""
        ...

    def retention(self) -> DeadSettings:
        """How long dead letters are kept."""
        ...

    def writes_history(self) -> bool:
        """Return whether a history of events is written."""
        ...

    def user(self) -> str:
        """The user of the command, for actions and the audit log: `cli:ann@host`."""
        ...


def run_with_partitions(context: Context, work: Callable[[Partitions], Awaitable[T]]) -> T:
    """Run `work` with clients of all partitions, which are closed after it.

    Raises BrokerError and what `work` raises.
    """
    return asyncio.run(_run(context.redis(), work))


def run_with_redis(context: Context, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run `work` with the client of the control partition. Raises BrokerError and what `work` raises."""
    return run_with_partitions(context, lambda partitions: work(partitions.control))


async def _run(settings: Settings, work: Callable[[Partitions], Awaitable[T]]) -> T:
    async with aclosing(connect_all(settings)) as partitions:
        return await work(partitions)
