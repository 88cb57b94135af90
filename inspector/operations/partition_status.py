"""The state of one partition, in one read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from broker import dead_letters
from broker.merged.channels import read_states
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.source_health import SourceFacts, read_sources
from broker.monitoring.spilled import Spilled, read_spilled
from broker.namespace.set_aside import SetAside, read_set_aside
from broker.queue import stream
from broker.queue.backlog import Backlog, read_backlog
from broker.queue.channel_state import ChannelStates
from broker.queue.pending_by_due_time import Schedule, read_schedule
from broker.queue.waiting.counts import Waiting, read_waiting
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.clock import OffClock
from broker.redis.errors import BrokerError, Forbidden
from broker.redis.server.facts import ServerFacts, read_facts
from broker.redis.server.node import node_of
from broker.redis.server.probe import probe

_MAY_NOT_WRITE = (
    "this Redis user may not write, so it is unknown whether Redis accepts writes: see /readyz of the receiver"
)


class PartitionStatus(Struct, frozen=True):
    """The state of one partition. The counters were read in one step with what waits, the rest right before or
    after."""

    at_ms: int
    """When this was read, by the clock of the partition's Redis."""

    node: str
    """The address of its server."""

    backlog: Backlog
    workers: Mapping[bytes, bytes]
    """The live workers that read it, each with the fingerprint of its config."""

    dead_letters: int
    redis: ServerFacts
    sources: Mapping[str, SourceFacts]
    channels: ChannelStates
    schedule: Schedule
    waiting: Waiting
    set_aside: list[SetAside]
    spilled: Mapping[str, Spilled]
    alerts: list[Alert]
    clocks: list[OffClock]
    """Alerts and wrong clocks are in the control partition only."""

    write_fault: str
    """Why Redis refuses writes; "" if it takes them, or if this Redis user may not try."""

    may_write: bool
    """False if this Redis user may not write, so that nothing is known about writes."""

    def risks(self) -> list[str]:
        """Everything about this Redis that may lose or refuse webhooks, in full sentences."""
        return [*self.redis.risks(), *([self.write_fault] if self.write_fault else [])]

    def notes(self) -> list[str]:
        """Return the accepted risks of this Redis, and what this Redis user cannot find out."""
        return [*self.redis.accepted_risks(), *(() if self.may_write else (_MAY_NOT_WRITE,))]


async def read_partition(redis: Client, sources: Collection[str]) -> PartitionStatus:
    """Read everything of one partition once. sources: names of the configured sources. Raises BrokerError."""
    write_fault, may_write = await _try_write(redis)
    facts, workers = await read_sources(redis, sources), await stream.live_workers(redis)
    now_ms = await clock.now_ms(redis)
    is_control = redis.partition == 0
    return PartitionStatus(
        at_ms=now_ms,
        node=node_of(redis),
        backlog=await read_backlog(redis),
        workers=workers,
        dead_letters=await dead_letters.count(redis),
        redis=await read_facts(redis),
        sources=facts,
        alerts=await current_alerts(redis, now_ms=now_ms) if is_control else [],
        channels=await read_states(redis),
        schedule=await read_schedule(redis),
        waiting=await read_waiting(redis),
        clocks=await clock.off_clocks(redis) if is_control else [],
        set_aside=await read_set_aside(redis),
        spilled=await read_spilled(redis),
        write_fault=write_fault,
        may_write=may_write,
    )


async def _try_write(redis: Client) -> tuple[str, bool]:
    """Return why Redis refuses writes, "" if it takes them; and whether this Redis user may write."""
    try:
        await probe(redis)
    except Forbidden:
        return "", False
    except BrokerError as error:
        return str(error), True
    return "", True
