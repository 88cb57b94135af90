"""`hookline check`: is the config sound, is Redis there, and will it keep what it is given?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from msgspec import Struct

from broker.address import parse
from broker.confirmation import confirmation_for
from broker.connection import Facts, connect, read_facts
from broker.connection import Settings as RedisSettings
from broker.errors import BrokerError
from launcher.channels import channel_faults
from launcher.check_exposure import exposure_notes
from launcher.config import Config
from launcher.context import Context
from launcher.embedded import find_redis_server
from launcher.errors import ConfigError, Fault, NoRedisError
from receiver.spill.files import obstacle
from sources.terminal import printable_json


class RedisReport(Struct, frozen=True, kw_only=True):
    """What was found out about Redis."""

    url: str
    """Without its password; empty where `hookline up` would start one."""

    version: str = ""
    aof: bool | None = None
    fsync: str = ""
    eviction: str = ""
    memory_used: float = 0.0
    """Share of maxmemory in use, 0 where there is no limit."""


class SourceReport(Struct, frozen=True):
    """One source."""

    name: str
    kind: str
    secrets: int
    addresses: int


class RuleReport(Struct, frozen=True):
    """One rule."""

    name: str
    events: tuple[str, ...]
    channels: tuple[str, ...]


class Report(Struct, frozen=True, kw_only=True):
    """All that the check found."""

    exit_code: int
    faults: tuple[Fault, ...] = ()
    """What is wrong with the config."""

    problems: tuple[str, ...] = ()
    """What is wrong with Redis, or with the directory for spilled webhooks."""

    notes: tuple[str, ...] = ()
    """What is worth knowing."""

    redis: RedisReport | None = None
    sources: tuple[SourceReport, ...] = ()
    rules: tuple[RuleReport, ...] = ()
    channels: dict[str, str] = {}
    """Kind by name."""


def examine(context: Context) -> Report:
    """Check everything, and report every problem."""
    try:
        config = context.config
    except ConfigError as error:
        return Report(exit_code=error.exit_code, faults=error.faults)
    faults = channel_faults(config.channels)
    if faults:
        return Report(exit_code=ConfigError.exit_code, faults=faults)
    redis, problems, notes = _redis(context, config)
    problems += _spill_problems(config)
    return Report(
        exit_code=1 if problems else 0,
        problems=problems,
        notes=notes + _unsigned(config) + exposure_notes(config),
        redis=redis,
        sources=tuple(
            SourceReport(name, source.kind, len(source.secrets), len(source.addresses))
            for name, source in config.sources.items()
        ),
        rules=tuple(RuleReport(rule.name, rule.events, rule.channels()) for rule in config.rules),
        channels={name: str(channel.__struct_config__.tag) for name, channel in config.channels.items()},
    )


def as_line(report: Report) -> bytes:
    """The report as one line of JSON."""
    return printable_json(msgspec.json.encode(report))


def as_text(report: Report) -> str:
    """The report to read."""
    lines = [f"fault    {fault}" for fault in report.faults]
    if report.redis:
        lines.append(f"redis    {_redis_line(report.redis)}")
    for source in report.sources:
        senders = f"{source.addresses} networks" if source.addresses else "any address"
        lines.append(f"source   {source.name}: {source.kind}, {source.secrets} secrets, from {senders}")
    lines.extend(
        f"rule     {rule.name}: {', '.join(rule.events)} -> {', '.join(rule.channels)}" for rule in report.rules
    )
    lines.extend(f"channel  {name}: {kind}" for name, kind in report.channels.items())
    lines.extend(f"note     {note}" for note in report.notes)
    lines.extend(f"problem  {problem}" for problem in report.problems)
    return "\n".join([*lines, "all is well" if report.exit_code == 0 else "not well"])


def _redis_line(redis: RedisReport) -> str:
    if not redis.url:
        return "none configured"
    if not redis.version:
        return f"{redis.url}: no answer"
    disk = f"logs to disk (appendfsync {redis.fsync})" if redis.aof else "keeps nothing on disk"
    return f"{redis.url}: {redis.version}, {disk}, maxmemory-policy {redis.eviction}"


def _redis(context: Context, config: Config) -> tuple[RedisReport, tuple[str, ...], tuple[str, ...]]:
    try:
        settings = context.redis()
    except NoRedisError:
        return _without_redis()
    url = str(parse(settings.url))
    try:
        facts = asyncio.run(_facts(settings))
    except BrokerError as error:
        return RedisReport(url=url), (str(error),), ()
    report = RedisReport(
        url=url,
        version=".".join(str(part) for part in facts.version),
        aof=facts.aof,
        fsync=facts.fsync,
        eviction=facts.eviction,
        memory_used=round(facts.memory_used(), 4),
    )
    return report, _problems(facts, config), ()


def _without_redis() -> tuple[RedisReport, tuple[str, ...], tuple[str, ...]]:
    try:
        server = find_redis_server()
    except NoRedisError as error:
        return RedisReport(url=""), (str(error),), ()
    return RedisReport(url=""), (), (f"no Redis is configured or runs here; `hookline up` starts {server}",)


async def _facts(settings: RedisSettings) -> Facts:
    client = connect(settings)
    try:
        return await read_facts(client)
    finally:
        await client.aclose()


def _problems(facts: Facts, config: Config) -> tuple[str, ...]:
    problems = facts.risks()
    try:
        confirmation_for(facts, config.receiver.durability, config.receiver.replicas)
    except BrokerError as error:
        problems.append(str(error))
    return tuple(problems)


def _spill_problems(config: Config) -> tuple[str, ...]:
    directory = config.receiver.spill_dir
    found = obstacle(Path(directory)) if directory else ""
    return (found,) if found else ()


def _unsigned(config: Config) -> tuple[str, ...]:
    return tuple(
        f"source {name} has no secret: `hookline up` makes one up, `hookline receiver` does not start"
        for name, source in config.sources.items()
        if not source.secrets
    )
