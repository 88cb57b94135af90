"""Checks of the Redis server: product and version, missing permissions, and whether it accepts writes."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmation_for
from broker.redis.connection import ServerFacts, connect, read_facts
from broker.redis.connection import Settings as RedisSettings
from broker.redis.errors import BrokerError, Misconfigured
from broker.redis.permissions import MEASURE_QUEUE, find_denied
from broker.redis.probe import probe
from broker.redis.redis_url import parse
from receiver.settings import Settings as ReceiverSettings

UNKNOWN = "unknown"


class RedisReport(Struct, frozen=True, kw_only=True):
    """Facts about the Redis server. What the server does not report is "unknown" or None."""

    url: str
    """The address without its password; empty where `hookline up` would start Redis."""

    product: str = ""
    """redis or valkey; empty where the server did not answer."""

    version: str = ""
    aof: bool | None = None
    snapshots: bool | None = None
    """True where the server saves snapshots (RDB)."""

    fsync: str = ""
    eviction: str = ""
    memory_used: float = 0.0
    """Share of maxmemory in use, 0 where there is no limit."""

    answered: bool = False

    def line(self) -> str:
        """The report as one line of text."""
        if not self.url:
            return "none configured"
        if not self.answered:
            return f"{self.url}: no answer"
        if not self.version:
            return f"{self.url}: it does not report its version"
        name = f"{self.product.capitalize()} {self.version}"
        return f"{self.url}: {name}, {self._disk()}, maxmemory-policy {self.eviction}"

    def _disk(self) -> str:
        if self.aof:
            return f"logs to disk (appendfsync {self.fsync})"
        if self.aof is None:
            return "unknown whether it logs to disk"
        words = {True: "keeps snapshots only (RDB)", False: "keeps nothing on disk", None: "does not log to disk"}
        return words[self.snapshots]


class RedisFindings(Struct, frozen=True):
    """The report, with problems and notes."""

    report: RedisReport
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def check_redis(settings: RedisSettings, receiver: ReceiverSettings) -> RedisFindings:
    """Read the facts of the server, and try a write."""
    return asyncio.run(_check(settings, receiver))


async def _check(settings: RedisSettings, receiver: ReceiverSettings) -> RedisFindings:
    url = str(parse(settings.url))
    client = connect(settings)
    try:
        facts = await read_facts(client)
        report = _report(url, facts)
        if facts.is_cluster:  # further checks would not find more
            return RedisFindings(report, tuple(facts.risks()))
        problems = [*facts.risks(), *await _tried(client, facts, receiver)]
        return RedisFindings(report, tuple(dict.fromkeys(problems)), tuple(facts.unknowns()))
    except Misconfigured as error:  # INFO itself may be forbidden
        report = RedisReport(url=url, answered=True)
        return RedisFindings(
            report, tuple(await _denied(client, _further(Confirmation(), receiver)) or [str(error)])
        )
    except BrokerError as error:
        return RedisFindings(RedisReport(url=url), (str(error),))
    finally:
        await client.aclose()


async def _tried(client: Client, facts: ServerFacts, receiver: ReceiverSettings) -> list[str]:
    """Problems with the durability setting, with permissions, and with a write as the receiver does it."""
    try:
        confirmation = confirmation_for(facts, receiver.durability, receiver.replicas)
    except BrokerError as error:
        return [str(error), *await _denied(client, _further(Confirmation(), receiver))]
    denied = await _denied(client, _further(confirmation, receiver))
    if denied:
        return denied
    try:
        await probe(client, confirmation)
    except BrokerError as error:
        return [str(error)]
    return []


def _further(confirmation: Confirmation, receiver: ReceiverSettings) -> tuple[str, ...]:
    """The commands that the receiver needs with these settings."""
    return (*confirmation.commands(), *((MEASURE_QUEUE,) if receiver.max_queued_bytes else ()))


async def _denied(client: Client, further: tuple[str, ...]) -> list[str]:
    try:
        return (await find_denied(client, further=further)).texts()
    except BrokerError as error:
        return [str(error)]


def _report(url: str, facts: ServerFacts) -> RedisReport:
    return RedisReport(
        url=url,
        product=facts.product,
        version=".".join(str(part) for part in facts.version),
        aof=facts.aof,
        snapshots=facts.snapshots,
        fsync=facts.fsync or UNKNOWN,
        eviction=facts.eviction or UNKNOWN,
        memory_used=round(facts.memory_used(), 4),
        answered=True,
    )
