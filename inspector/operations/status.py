"""The state of the system in one read: counters, queues, workers, sources, channels and alerts.

Every function raises BrokerError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from broker.merged import channels as all_channels
from broker.merged.channels import merge_channels
from broker.merged.servers import merge_facts, name_where_they_differ
from broker.merged.source_health import merge_sources
from broker.merged.sums import sum_backlogs, sum_schedules, sum_waiting
from broker.monitoring.alerts import Alert
from broker.monitoring.source_health import SourceFacts
from broker.monitoring.spilled import Spilled
from broker.monitoring.stats import Totals
from broker.namespace.set_aside import SHOWN, SetAside
from broker.queue.backlog import Backlog
from broker.queue.channel_state import Channel
from broker.queue.pending_by_due_time import Schedule
from broker.queue.waiting.counts import Waiting
from broker.redis.clock import OffClock
from broker.redis.errors import BrokerError
from broker.redis.fan_out import Answers, ask_all
from broker.redis.partitions import Partitions, named
from broker.redis.server.facts import ServerFacts
from broker.redis.server.node import node_of
from inspector.operations.partition_status import PartitionStatus, read_partition
from sources.provider import Provider
from sources.settings import Settings as SourceSettings
from sources.source_kinds import provider_of

_NEARLY_FULL = 0.8
"""Share of maxmemory from which a server counts as nearly full."""


class Source(Struct, frozen=True):
    """The state of one source."""

    kind: Provider
    facts: SourceFacts


class PartitionLine(Struct, frozen=True):
    """One partition in a table."""

    number: int
    node: str
    """The address of its server; "" if it is not known."""

    error: str = ""
    """Why the partition is away; "" if it answers."""

    queue_entries: int | None = None
    """Batches in its stream; None while it is away, as the next two."""

    jobs: int | None = None
    waiting: int | None = None
    """Notifications that its jobs and digests are counted for."""


class Status(Struct, frozen=True):
    """The state of the system. The counters of a partition were read in one step with what waits there, the rest
    right before or after."""

    backlog: Backlog
    workers: int
    """Number of live worker processes."""

    configs: int
    """Different configurations among these. More than 1 means a rollout, or that two installations share Redis."""

    dead_letters: int
    redis: ServerFacts
    """The facts about the first server, with the memory of all."""

    at_ms: int
    """When this was read, by the clock of Redis."""

    sources: dict[str, Source]
    """Configured sources by name."""

    alerts: list[Alert]
    """Active alerts, oldest first."""

    channels: list[Channel]
    """Channels with failures, an open circuit breaker, a pause or held jobs."""

    schedule: Schedule
    waiting: Waiting
    """The counters, and how many notifications wait for what."""

    clocks: list[OffClock]
    """Processes whose clock differs from that of Redis."""

    spilled: dict[str, Spilled] = {}
    """Webhooks that receivers keep on disk, by host:directory. They count as accepted once they are in Redis."""

    set_aside: list[SetAside] = []
    """Keys that held data which Hookline did not write, newest first; at most 100."""

    partitions: list[PartitionLine] = []
    """All partitions, by number."""

    risks: list[str] = []
    """Everything about Redis that may lose or refuse webhooks, in full sentences."""

    notes: list[str] = []
    """The accepted risks of Redis, and what this Redis user cannot find out."""

    nearly_full: list[str] = []
    """Servers that use most of their memory limit, in full sentences."""

    @property
    def totals(self) -> Totals:
        """Return all counters of the system."""
        return self.waiting.totals

    def is_complete(self) -> bool:
        """Return False if a partition is away, so that its part of the figures is missing."""
        return not self.away_texts()

    def away_texts(self) -> list[str]:
        """Return a sentence for each partition that is away."""
        return [
            f"partition {partition.number} is away, so {_missing(partition.number)}: {partition.error}"
            for partition in self.partitions
            if partition.error
        ]

    def adds_up(self) -> bool:
        """Return whether the counters of bodies and of notifications add up."""
        return self.totals.bodies_add_up() and self.notifications_add_up()

    def notifications_add_up(self) -> bool:
        """Return whether the counters of notifications add up, and all waiting notifications exist."""
        return self.totals.notifications_add_up() and not self.waiting.missing


def _missing(number: int) -> str:
    return "all figures are incomplete" if number else "alerts are unknown and all figures are incomplete"


async def read_status(
    partitions: Partitions,
    sources: Mapping[str, SourceSettings] | None = None,
    spilled_here: Mapping[str, Spilled] | None = None,
) -> Status:
    """Read everything once. A partition that is away is named, and its part is missing.

    `sources`: the configured sources. `spilled_here`: what is on the disk of this machine now, which replaces what
    its receivers last reported to Redis.
    """
    configured = sources or {}
    answers = await ask_all(partitions, lambda redis: read_partition(redis, configured))
    each = list(answers)
    facts = merge_sources(partition.sources for partition in each)
    workers = {name: config for partition in each for name, config in partition.workers.items()}
    set_aside = sorted((key for one in each for key in one.set_aside), key=lambda key: key.at_ms, reverse=True)
    return Status(
        backlog=sum_backlogs(partition.backlog for partition in each),
        workers=len(workers),
        configs=len(set(workers.values())),
        dead_letters=sum(partition.dead_letters for partition in each),
        redis=merge_facts({number: (one.node, one.redis) for number, one in answers.by_partition.items()}),
        at_ms=each[0].at_ms,
        sources={name: Source(provider_of(source), facts[name]) for name, source in configured.items()},
        alerts=[alert for partition in each for alert in partition.alerts],
        channels=merge_channels({number: one.channels for number, one in answers.by_partition.items()}),
        schedule=sum_schedules(partition.schedule for partition in each),
        waiting=sum_waiting(partition.waiting for partition in each),
        clocks=[clock for partition in each for clock in partition.clocks],
        set_aside=set_aside[:SHOWN],
        spilled=only_spilled({**_newest_spilled(each), **(spilled_here or {})}),
        partitions=_lines(partitions, answers),
        risks=name_where_they_differ({n: one.risks() for n, one in answers.by_partition.items()}),
        notes=name_where_they_differ({n: one.notes() for n, one in answers.by_partition.items()}),
        nearly_full=name_where_they_differ({n: _fullness(one) for n, one in answers.by_partition.items()}),
    )


def _lines(partitions: Partitions, answers: Answers[PartitionStatus]) -> list[PartitionLine]:
    return [
        PartitionLine(redis.partition, one.node, "", one.backlog.entries, one.backlog.jobs, one.waiting.counted)
        if (one := answers.by_partition.get(redis.partition))
        else PartitionLine(redis.partition, node_of(redis), str(answers.away[redis.partition]))
        for redis in partitions
    ]


def _newest_spilled(partitions: Iterable[PartitionStatus]) -> dict[str, Spilled]:
    """The last reports. While the control partition is away, receivers report to another one."""
    reports = [report for partition in partitions for report in partition.spilled.items()]
    return dict(sorted(reports, key=lambda report: report[1].at_ms))


def _fullness(partition: PartitionStatus) -> list[str]:
    used = partition.redis.memory_used()
    if used <= _NEARLY_FULL:
        return []
    return [f"Redis uses {used:.0%} of its memory limit and refuses writes when it is full"]


def only_spilled(spilled: Mapping[str, Spilled]) -> dict[str, Spilled]:
    """The places that hold spilled webhooks or report a problem, sorted."""
    return {place: state for place, state in sorted(spilled.items()) if not state.is_nothing()}


class Channels(Struct, frozen=True):
    """The channels that are configured or known to Redis, by name."""

    at_ms: int
    """The current time by the clock of Redis."""

    channels: list[Channel]
    away: Mapping[int, BrokerError]
    """Partitions whose part is missing, and why."""


async def read_channels(partitions: Partitions, configured: Iterable[str]) -> Channels:
    """Read the state of all channels."""
    answers = await all_channels.read_channels(partitions)
    known = {channel.name: channel for channel in merge_channels(answers.by_partition)}
    at_ms = next(iter(answers)).at_ms
    names = sorted({*configured, *known})
    return Channels(at_ms, [known.get(name) or Channel.closed(name) for name in names], answers.away)


def incomplete(away: Mapping[int, BrokerError]) -> str:
    """Return why a list lacks the part of some partitions; "" if it lacks none."""
    if not away:
        return ""
    verb = "is" if len(away) == 1 else "are"
    return f"{named(away)} {verb} away, so this is incomplete: {next(iter(away.values()))}"
