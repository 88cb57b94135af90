"""Reads the state of a running installation, for the conditions of the doctor."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextlib import aclosing
from typing import TypeVar

from msgspec import Struct

from broker.history.facts import HistoryFacts, read_history_facts
from broker.namespace import layout
from broker.namespace.key_survey import KeySurvey, survey_keys
from broker.queue import stream
from broker.queue.stuck_jobs import StuckJobs, find_stuck_jobs
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.errors import BrokerError, Forbidden
from broker.redis.partitions import connect_all
from broker.redis.server.facts import ServerFacts, read_facts
from broker.redis.server.health import ServerHealth, read_health
from inspector.operations.status import Status, read_status
from launcher.composition.command_context import Context
from launcher.config.config import Config

T = TypeVar("T")


class PartitionFacts(Struct, frozen=True, kw_only=True):
    """The facts about one partition that its status does not have. None for what this Redis user may not read."""

    facts: ServerFacts | None = None
    """The facts of its server."""

    health: ServerHealth | None = None
    layout: str | None = None
    """The number of partitions that it stores; None without one, too."""

    readers: int | None = None
    """How many live workers read it."""

    jobs: StuckJobs | None = None
    keys: KeySurvey | None = None
    history: HistoryFacts | None = None
    refused: Mapping[str, str] = {}
    """Why this user may not read the rest, by what was to be checked."""


class RunningFacts(Struct, frozen=True):
    """The state of a running installation."""

    status: Status | None
    """None if this Redis user may not read it."""

    partitions: Mapping[int, PartitionFacts]
    """The partitions that could be examined, by number."""

    unexamined: Mapping[int, str] = {}
    """Why others stopped to answer, by number; those that are away are in the status."""

    refused_status: str = ""
    """Why this user may not read the status; "" if it may."""

    @property
    def has_workers(self) -> bool:
        """True if a worker is known to be alive."""
        return bool(self.status and self.status.workers)


def starts_too_often(config: Config) -> int:
    """From how many starts on a job counts as started again and again: the last one before it is given up.

    At least 2, since every job that runs now was started once.
    """
    return max(2, config.worker.max_deliveries)


async def read_running(settings: RedisSettings, context: Context, config: Config) -> RunningFacts:
    """Read everything once. A partition that is away is named in the status. Raises BrokerError."""
    examined: dict[int, PartitionFacts] = {}
    unexamined: dict[int, str] = {}
    refused = ""
    async with aclosing(connect_all(settings)) as partitions:
        try:
            status = await read_status(partitions, config.sources, context.spilled())
        except Forbidden as error:
            status, refused = None, str(error)
        away = {line.number for line in status.partitions if line.error} if status else set()
        # One after the other: they may all be in one Redis, which works for others meanwhile.
        for redis in partitions:
            if redis.partition in away:
                continue
            try:
                examined[redis.partition] = await _read_partition(redis, starts_too_often(config))
            except BrokerError as error:
                unexamined[redis.partition] = str(error)
    return RunningFacts(status, examined, unexamined, refused)


async def _read_partition(redis: Client, starts: int) -> PartitionFacts:
    refused: dict[str, str] = {}

    async def read(what: str, reading: Awaitable[T]) -> T | None:
        """Return what is read, or None if this user may not: then the rest can still be checked."""
        try:
            return await reading
        except Forbidden as error:
            refused[what] = str(error)
            return None

    keys = await read("the keys", survey_keys(redis))
    readers = await read("which workers read the partitions", stream.live_workers(redis))
    job_ids = keys.job_ids if keys else ()
    return PartitionFacts(
        facts=await read("the version of Redis", read_facts(redis)),
        health=await read("the health of Redis", read_health(redis)),
        layout=await read("the layout of the partitions", layout.read_stored(redis)),
        readers=None if readers is None else len(readers),
        jobs=await read("the jobs", find_stuck_jobs(redis, starts=starts, job_ids=job_ids)),
        keys=keys,
        history=await read("the history", read_history_facts(redis)),
        refused=refused,
    )
