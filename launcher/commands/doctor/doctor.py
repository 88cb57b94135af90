"""`hookline doctor`: looks at a running installation, and says what is wrong and how to fix it.

It is `hookline check` and the running state. It changes nothing, except that it writes the key `probe` as the
check does, and sets aside a key of the wrong type as every command does that reads it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator
from typing import Annotated

import typer

from broker.redis.errors import BrokerError
from broker.redis.partitions import named
from broker.redis.server.facts import MANAGED, NO_PERSISTENCE
from inspector.operations.status import Status
from launcher.commands.check.check import config_faults, config_notes, config_problems, examine_redis
from launcher.commands.check.exposure import receiver_notes
from launcher.commands.doctor.facts import PartitionFacts, RunningFacts, read_running
from launcher.commands.doctor.finding import (
    Area,
    Finding,
    Report,
    as_line,
    as_text,
    merged,
    problem,
    report_on,
    split_cure,
    warning,
)
from launcher.commands.doctor.history_conditions import history_findings
from launcher.commands.doctor.key_conditions import job_findings, key_findings, limit_notes, set_aside_findings
from launcher.commands.doctor.permission_conditions import partition_refusals, status_findings, user_findings
from launcher.commands.doctor.redis_conditions import (
    clock_findings,
    host_clock_findings,
    memory_findings,
    server_findings,
)
from launcher.commands.doctor.work_conditions import (
    alert_findings,
    channel_findings,
    counter_findings,
    due_findings,
    layout_findings,
    no_reader,
    queue_findings,
    spill_findings,
)
from launcher.composition.command_context import Context
from launcher.config.config import Config
from launcher.errors import ConfigError, NoRedisError

_CURES = (
    (r"replicas", "connect the missing replicas, or lower receiver.replicas, or set another receiver.durability"),
    (
        r"is away|are away|not reachable|did not answer|no response",
        "start that Redis, and check that this machine can reach it and that redis.url is right",
    ),
)
_CURE = "see the log of Redis, and docs/redis.md"
_CONFIG_CURE = "correct the config: docs/configuration.md"


def doctor(
    ctx: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at a running installation, and say what is wrong and how to fix each problem.

    It checks what `hookline check` checks, and queue, workers, jobs, keys, channels and spill directories. Run it
    where receivers run, so that it sees their spill directory. It changes nothing.

    Exit code 1 for problems, 0 for warnings or nothing, 2 for a fault of the config.

    Example: hookline doctor --json
    """
    report = examine(ctx.obj)
    typer.echo(as_line(report) if as_json else as_text(report))
    raise typer.Exit(report.exit_code)


def examine(context: Context) -> Report:
    """Examine the config, Redis and the running state."""
    faults = config_faults(context)
    if faults:
        return Report(exit_code=ConfigError.exit_code, faults=faults)
    config = context.config
    findings = [_problem("config", text, _CONFIG_CURE) for text in config_problems(context, config)]
    notes = list(config_notes(context, config))
    try:
        settings = context.redis()
    except NoRedisError as error:
        what, fix = split_cure(str(error))
        return _report(config, [*findings, problem("redis", what, fix)], notes)
    server = examine_redis(context, config)
    problems = [text for text in server.problems if text not in server.lacking]
    findings += [_problem("redis", text, _cure_of(text)) for text in problems]
    findings += user_findings(server.user_of)
    notes += server.notes
    try:
        running = asyncio.run(read_running(settings, context, config))
    except BrokerError as error:
        if not problems:
            findings.append(_problem("redis", str(error), _cure_of(str(error))))
        return _report(config, findings, [*notes, f"the running state is unknown: {error}"])
    findings += running_findings(running, config)
    if running.status:
        findings += alert_findings(running.status, {finding.area for finding in findings})
    return _report(config, findings, [*notes, *_limits(running)])


def running_findings(running: RunningFacts, config: Config) -> Iterator[Finding]:
    """Return what is wrong in the running state, and what could not be read; without the alerts."""
    partitions = running.partitions
    yield from status_findings(running.refused_status)
    yield from merged({n: list(_of_partition(n, each, running, config)) for n, each in partitions.items()})
    ahead = [each.health.host_ahead_ms for each in partitions.values() if each.health]
    yield from host_clock_findings(max(ahead, key=abs, default=0))
    yield from history_findings(
        {number: each.history for number, each in partitions.items() if each.history},
        config.history,
        partitions=config.redis.partitions,
        has_workers=running.has_workers,
    )
    if running.status:
        yield from _of_status(running.status, config)


def _of_status(status: Status, config: Config) -> Iterator[Finding]:
    yield from memory_findings(status)
    yield from clock_findings(status)
    yield from queue_findings(status, config.alerts)
    for channel in status.channels:
        yield from channel_findings(channel, status.at_ms, config.alerts)
    yield from spill_findings(status)
    yield from set_aside_findings(status.set_aside)
    yield from counter_findings(status)


def _of_partition(
    number: int, partition: PartitionFacts, running: RunningFacts, config: Config
) -> Iterator[Finding]:
    yield from partition_refusals(partition)
    if partition.facts and partition.health:
        yield from server_findings(partition.facts, partition.health)
    if running.has_workers and partition.readers == 0:
        yield no_reader(config.redis.partitions)
    yield from layout_findings(number, partition.layout, config.redis.partitions)
    if partition.jobs:
        yield from due_findings(partition.jobs, partition.readers or 0, config.alerts)
        yield from job_findings(partition.jobs, config.worker.max_deliveries)
    if partition.keys:
        yield from key_findings(partition.keys)


def _report(config: Config, findings: Collection[Finding], check_notes: Collection[str]) -> Report:
    """Notes of the check that say what to do become warnings, unless the operator decided so in the config."""
    accepted = {NO_PERSISTENCE, MANAGED, *receiver_notes(config.receiver)}
    to_do = [text for text in check_notes if text not in accepted and split_cure(text)[1]]
    return report_on(
        [*findings, *(warning("config", *split_cure(text)) for text in to_do)],
        [text for text in check_notes if text not in to_do],
    )


def _problem(area: Area, text: str, cure: str) -> Finding:
    what, fix = split_cure(text)
    return problem(area, what, fix or cure)


def _cure_of(text: str) -> str:
    return next((cure for pattern, cure in _CURES if re.search(pattern, text)), _CURE)


def _limits(running: RunningFacts) -> Iterator[str]:
    several = len(running.partitions) + len(running.unexamined) > 1
    for number, reason in running.unexamined.items():
        yield f"{named([number])} was not examined: {reason}"
    for number, partition in running.partitions.items():
        for text in limit_notes(partition.jobs, partition.keys):
            yield f"{named([number])}: {text}" if several else text
