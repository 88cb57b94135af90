"""Checks of the Redis servers: product and version, missing permissions, and whether they accept writes.

Each partition is checked, as several partitions may be on different servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct, structs

from broker.merged.away import because
from broker.merged.servers import name_where_they_differ
from broker.redis.client import Client
from broker.redis.confirmation import Confirmation, confirmation_for
from broker.redis.connection import Settings as RedisSettings
from broker.redis.errors import BrokerError, Misconfigured
from broker.redis.partitions import connect_all
from broker.redis.redis_url import parse
from broker.redis.server.facts import ServerFacts, read_facts
from broker.redis.server.permissions import MEASURE_QUEUE, find_denied
from broker.redis.server.probe import probe
from receiver.settings import Settings as ReceiverSettings
from receiver.storage.back_pressure import NOT_MEASURED

UNKNOWN = "unknown"


class RedisReport(Struct, frozen=True, kw_only=True):
    """Facts about the Redis server. What the server does not report is "unknown" or None."""

    url: str
    """The address without its password; empty where `hookline up` would start Redis."""

    product: str = ""
    """redis or valkey; empty where the server did not answer."""

    version: str = ""
    persistence: str = "checked"
    """The value of the setting redis.persistence."""

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
        if not self.product:
            return f"{self.url}: it does not report its version"
        name = f"{self.product.capitalize()} {self.version or 'of an unknown version'}"
        return f"{self.url}: {name}, {self._disk()}, maxmemory-policy {self.eviction}"

    def _disk(self) -> str:
        if self.persistence == "managed":
            return "the platform keeps the data (persistence managed)"
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
    user_of: str = ""
    """The part whose documented user this Redis user seems to be, if it may not do all: see `documented_user`."""

    lacking: tuple[str, ...] = ()
    """The problems that say no more than that, if all partitions have such a user."""


class _Permissions(Struct, frozen=True):
    """Problems and notes about what Redis refuses."""

    problems: list[str] = []
    notes: list[str] = []
    user_of: str = ""
    lacking: tuple[str, ...] = ()


def check_redis(settings: RedisSettings, receiver: ReceiverSettings) -> RedisFindings:
    """Read the facts of the server of each partition, and try a write there."""
    return asyncio.run(_check(settings, receiver))


async def _check(settings: RedisSettings, receiver: ReceiverSettings) -> RedisFindings:
    url = str(parse(settings.url))
    partitions = connect_all(settings)
    try:
        each = await asyncio.gather(*(_check_partition(url, redis, receiver) for redis in partitions))
    finally:
        await partitions.aclose()
    away = {number: error for number, error in enumerate(each) if isinstance(error, BrokerError)}
    there = {number: findings for number, findings in enumerate(each) if isinstance(findings, RedisFindings)}
    if not there:
        errors = name_where_they_differ({number: [str(error)] for number, error in away.items()})
        return RedisFindings(RedisReport(url=url), tuple(errors))
    problems = name_where_they_differ({number: findings.problems for number, findings in there.items()})
    notes = name_where_they_differ({number: findings.notes for number, findings in there.items()})
    users = {findings.user_of for findings in there.values()}
    user_of = users.pop() if len(users) == 1 else ""
    lacking = name_where_they_differ({number: findings.lacking for number, findings in there.items()})
    return RedisFindings(
        _merged([findings.report for findings in there.values()]),
        (*([because(away)] if away else []), *problems),
        tuple(notes),
        user_of=user_of,
        lacking=tuple(lacking) if user_of else (),
    )


def _merged(reports: Sequence[RedisReport]) -> RedisReport:
    """Return the report on the first partition, with the largest use of memory of all."""
    return structs.replace(reports[0], memory_used=max(report.memory_used for report in reports))


async def _check_partition(url: str, client: Client, receiver: ReceiverSettings) -> RedisFindings | BrokerError:
    """Return what was found, or why the partition does not answer."""
    try:
        facts = await read_facts(client)
        report = _report(url, facts)
        if facts.lacks_cluster_url:  # further checks would not find more
            return RedisFindings(report, tuple(facts.risks()))
        tried, permissions = await _tried(client, facts, receiver)
        return RedisFindings(
            report,
            tuple(dict.fromkeys([*facts.risks(), *permissions.problems, *tried])),
            (*facts.notes(), *_durability_notes(facts, receiver), *permissions.notes),
            user_of=permissions.user_of,
            lacking=permissions.lacking,
        )
    except Misconfigured as error:  # INFO itself may be forbidden
        permissions = await _denied(client, Confirmation(), receiver)
        report = RedisReport(url=url, answered=True)
        return RedisFindings(report, tuple(permissions.problems or [str(error)]), tuple(permissions.notes))
    except BrokerError as error:
        return error


async def _tried(client: Client, facts: ServerFacts, receiver: ReceiverSettings) -> tuple[list[str], _Permissions]:
    """Problems with the durability setting, and with a write as the receiver does it; and the permissions."""
    try:
        confirmation = confirmation_for(facts, receiver.durability, receiver.replicas)
    except BrokerError as error:
        return [str(error)], await _denied(client, Confirmation(), receiver)
    permissions = await _denied(client, confirmation, receiver)
    if permissions.problems and (permissions.user_of == "reader" or not permissions.lacking):
        return [], permissions
    try:
        await probe(client, confirmation)
    except BrokerError as error:
        return [str(error)], permissions
    return [], permissions


async def _denied(client: Client, confirmation: Confirmation, receiver: ReceiverSettings) -> _Permissions:
    """Problems and notes about what Redis refuses, to this user or altogether."""
    measuring = (MEASURE_QUEUE,) if receiver.max_queued_bytes else ()
    try:
        denied = await find_denied(client, further=(*confirmation.commands(), *measuring))
    except BrokerError as error:
        return _Permissions([str(error)])
    problems, notes = denied.texts(), []
    for command in denied.further:
        if command == "MEMORY USAGE":
            notes.append(NOT_MEASURED)
        else:
            problems.append(confirmation.refusal())
    user_of = denied.documented_user()
    return _Permissions(problems, notes, user_of, tuple(denied.texts()) if user_of else ())


def _durability_notes(facts: ServerFacts, receiver: ReceiverSettings) -> list[str]:
    if facts.persistence != "managed" or receiver.durability != "fsync":
        return []
    note = (
        'with redis.persistence = "managed", receiver.durability = "fsync" waits only for the reply of Redis: '
        "whether the webhook is on disk then depends on the platform"
    )
    return [note]


def _report(url: str, facts: ServerFacts) -> RedisReport:
    return RedisReport(
        url=url,
        product=facts.product,
        version=facts.version_text(),
        persistence=facts.persistence,
        aof=facts.aof,
        snapshots=facts.snapshots,
        fsync=facts.fsync or UNKNOWN,
        eviction=facts.eviction or UNKNOWN,
        memory_used=round(facts.memory_used(), 4),
        answered=True,
    )
