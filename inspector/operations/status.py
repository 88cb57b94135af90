"""The state of the system in one read: counters, queues, workers, sources, channels and alerts.

Every function raises BrokerError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from broker import dead_letters
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.source_health import SourceFacts, read_sources
from broker.monitoring.spilled import Spilled, read_spilled
from broker.monitoring.stats import Totals, read_totals
from broker.namespace.set_aside import SetAside, read_set_aside
from broker.queue import channel_state, stream
from broker.queue.backlog import Backlog, read_backlog
from broker.queue.channel_state import Channel
from broker.queue.pending_by_due_time import Schedule, read_schedule
from broker.queue.waiting_check import Waiting, read_waiting
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.clock import OffClock
from broker.redis.errors import BrokerError, Forbidden
from broker.redis.server.facts import ServerFacts, read_facts
from broker.redis.server.probe import probe
from sources import KINDS
from sources.provider import Provider
from sources.settings import Settings as SourceSettings


class Source(Struct, frozen=True):
    """The state of one source."""

    kind: Provider
    facts: SourceFacts


class Status(Struct, frozen=True):
    """The state of the system. The totals were read in one step; the rest was read right before or after."""

    totals: Totals
    backlog: Backlog
    workers: int
    """Number of live worker processes."""

    configs: int
    """Different configurations among these. More than 1 means a rollout, or that two installations share Redis."""

    dead_letters: int
    redis: ServerFacts
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
    """Notifications that are counted as waiting, and how many of them exist in Redis."""

    clocks: list[OffClock]
    """Processes whose clock differs from that of Redis."""

    spilled: dict[str, Spilled] = {}
    """Webhooks that receivers keep on disk, by host:directory. They count as accepted once they are in Redis."""

    write_fault: str = ""
    """Why Redis refuses writes; "" if it takes them, or if this Redis user may not try."""

    may_write: bool = True
    """False if this Redis user may not write, so that nothing is known about writes."""

    def risks(self) -> list[str]:
        """Everything about this Redis that may lose or refuse webhooks, in full sentences."""
        return [*self.redis.risks(), *([self.write_fault] if self.write_fault else [])]

    def notes(self) -> list[str]:
        """Return the accepted risks of this Redis, and what this Redis user cannot find out."""
        return [*self.redis.accepted_risks(), *(() if self.may_write else (_MAY_NOT_WRITE,))]

    set_aside: list[SetAside] = []
    """Keys that held data which Hookline did not write, newest first; at most 100."""

    def adds_up(self) -> bool:
        """Return whether the counters of bodies and of notifications add up."""
        return self.totals.bodies_add_up() and self.notifications_add_up()

    def notifications_add_up(self) -> bool:
        """Return whether the counters of notifications add up, and all waiting notifications exist."""
        return self.totals.notifications_add_up() and not self.waiting.missing


async def read_status(
    redis: Client,
    sources: Mapping[str, SourceSettings] | None = None,
    spilled_here: Mapping[str, Spilled] | None = None,
) -> Status:
    """Read everything once.

    `sources`: the configured sources. `spilled_here`: what is on the disk of this machine now, which replaces what
    its receivers last reported to Redis.
    """
    configured = sources or {}
    write_fault, may_write = await _try_write(redis)
    facts, configs = await read_sources(redis, configured), await stream.live_configs(redis)
    now_ms = await clock.now_ms(redis)
    return Status(
        totals=await read_totals(redis),
        backlog=await read_backlog(redis),
        workers=len(configs),
        configs=len(set(configs)),
        dead_letters=await dead_letters.count(redis),
        redis=await read_facts(redis),
        at_ms=now_ms,
        sources={name: Source(KINDS[source.kind], facts[name]) for name, source in configured.items()},
        alerts=await current_alerts(redis, now_ms=now_ms),
        channels=await channel_state.read_channels(redis),
        schedule=await read_schedule(redis),
        waiting=await read_waiting(redis),
        clocks=await clock.off_clocks(redis),
        set_aside=await read_set_aside(redis),
        spilled=only_spilled({**await read_spilled(redis), **(spilled_here or {})}),
        write_fault=write_fault,
        may_write=may_write,
    )


_MAY_NOT_WRITE = (
    "this Redis user may not write, so it is unknown whether Redis accepts writes: see /readyz of the receiver"
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


def only_spilled(spilled: Mapping[str, Spilled]) -> dict[str, Spilled]:
    """The places that hold spilled webhooks or report a problem, sorted."""
    return {place: state for place, state in sorted(spilled.items()) if not state.is_nothing()}


async def read_channels(redis: Client, configured: Iterable[str]) -> tuple[int, list[Channel]]:
    """(current time in ms by the clock of Redis, all channels that are configured or known to Redis, by name)."""
    known = {channel.name: channel for channel in await channel_state.read_channels(redis)}
    names = sorted({*configured, *known})
    now_ms = await clock.now_ms(redis)
    return now_ms, [known.get(name) or Channel(name, 0, 0, 0, 0, 0) for name in names]
