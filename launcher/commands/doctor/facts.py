"""Reads the state of a running installation, for the conditions of the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from msgspec import Struct

from broker.namespace import layout
from broker.namespace.key_survey import KeySurvey, survey_keys
from broker.queue import stream
from broker.queue.stuck_jobs import StuckJobs, find_stuck_jobs
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.errors import BrokerError
from broker.redis.partitions import connect_all
from broker.redis.server.facts import ServerFacts, read_facts
from broker.redis.server.health import ServerHealth, read_health
from inspector.operations.status import Status, read_status
from launcher.composition.command_context import Context
from launcher.config.config import Config


class PartitionFacts(Struct, frozen=True, kw_only=True):
    """The facts about one partition that its status does not have."""

    facts: ServerFacts
    """The facts of its server."""

    health: ServerHealth = ServerHealth()
    layout: str | None = None
    """The number of partitions that it stores; None without one."""

    readers: int = 1
    """How many live workers read it."""

    jobs: StuckJobs = StuckJobs()
    keys: KeySurvey = KeySurvey()


class RunningFacts(Struct, frozen=True):
    """The state of a running installation."""

    status: Status
    partitions: Mapping[int, PartitionFacts]
    """The partitions that could be examined, by number."""

    unexamined: Mapping[int, str] = {}
    """Why others stopped to answer, by number; those that are away are in the status."""


def starts_too_often(config: Config) -> int:
    """From how many starts on a job counts as started again and again: the last one before it is given up.

    At least 2, since every job that runs now was started once.
    """
    return max(2, config.worker.max_deliveries)


async def read_running(settings: RedisSettings, context: Context, config: Config) -> RunningFacts:
    """Read everything once. A partition that is away is named in the status. Raises BrokerError."""
    examined: dict[int, PartitionFacts] = {}
    unexamined: dict[int, str] = {}
    async with aclosing(connect_all(settings)) as partitions:
        status = await read_status(partitions, config.sources, context.spilled())
        away = {line.number for line in status.partitions if line.error}
        # One after the other: they may all be in one Redis, which works for others meanwhile.
        for redis in partitions:
            if redis.partition in away:
                continue
            try:
                examined[redis.partition] = await _read_partition(redis, starts_too_often(config))
            except BrokerError as error:
                unexamined[redis.partition] = str(error)
    return RunningFacts(status, examined, unexamined)


async def _read_partition(redis: Client, starts: int) -> PartitionFacts:
    keys = await survey_keys(redis)
    return PartitionFacts(
        facts=await read_facts(redis),
        health=await read_health(redis),
        layout=await layout.read_stored(redis),
        readers=len(await stream.live_workers(redis)),
        jobs=await find_stuck_jobs(redis, starts=starts, job_ids=keys.job_ids),
        keys=keys,
    )
