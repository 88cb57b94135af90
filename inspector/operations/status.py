"""How things stand."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from broker import dead_letters
from broker.monitoring.alerts import Alert, current_alerts
from broker.monitoring.source_health import SourceFacts, read_sources
from broker.monitoring.spilled import Spilled, read_spilled
from broker.monitoring.stats import Totals, read_totals
from broker.namespace.set_aside import SetAside, read_set_aside
from broker.queue import stream
from broker.queue.backlog import Backlog, read_backlog
from broker.queue.channel_state import Channel, read_channels
from broker.queue.pending_by_due_time import Schedule, read_schedule
from broker.queue.waiting_check import Waiting, read_waiting
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.clock import OffClock
from broker.redis.connection import ServerFacts, read_facts
from broker.redis.errors import BrokerError
from broker.redis.probe import probe
from sources import KINDS
from sources.provider import Provider
from sources.settings import Settings as SourceSettings


class Source(Struct, frozen=True):
    """How one source does."""

    kind: Provider
    facts: SourceFacts


class Status(Struct, frozen=True):
    """How things stand. The totals are of one moment; the rest is of about the same."""

    totals: Totals
    backlog: Backlog
    workers: int
    """Worker processes that are alive."""

    configs: int
    """Different configs that these run with: more than one is a change under way, or another installation."""

    dead_letters: int
    redis: ServerFacts
    at_ms: int
    """When this was looked at."""

    sources: dict[str, Source]
    """By name, those that are configured."""

    alerts: list[Alert]
    """Those that hold, the oldest first."""

    channels: list[Channel]
    """Those of which there is something to tell: failures, an open breaker, a pause, jobs that are held."""

    schedule: Schedule
    waiting: Waiting
    """Whether what the counters say waits is really there."""

    clocks: list[OffClock]
    """Processes whose clock is off from that of Redis."""

    spilled: dict[str, Spilled] = {}
    """What receivers keep on disk, by host:directory. Not in the sums: it is accepted when Redis gets it."""

    write_fault: str = ""
    """Why Redis takes no writes, "" where it does."""

    def risks(self) -> list[str]:
        """Everything about Redis that loses webhooks or keeps them out."""
        return [*self.redis.risks(), *([self.write_fault] if self.write_fault else [])]

    set_aside: list[SetAside] = []
    """Keys in Redis that held what Hookline never writes there, the newest first; 100 at most."""

    def adds_up(self) -> bool:
        """Whether both sums do."""
        return self.totals.bodies_add_up() and self.notifications_add_up()

    def notifications_add_up(self) -> bool:
        """Whether that sum does, and none of those that wait has vanished."""
        return self.totals.notifications_add_up() and not self.waiting.missing


async def status(
    redis: Client,
    sources: Mapping[str, SourceSettings] | None = None,
    spilled_here: Mapping[str, Spilled] | None = None,
) -> Status:
    """Look at everything once. `sources`: those that are configured.

    `spilled_here`: what lies on this machine, which is newer than what its receivers told Redis.
    """
    configured = sources or {}
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
        channels=await read_channels(redis),
        schedule=await read_schedule(redis),
        waiting=await read_waiting(redis),
        clocks=await clock.off_clocks(redis),
        set_aside=await read_set_aside(redis),
        spilled=something({**await read_spilled(redis), **(spilled_here or {})}),
        write_fault=await _write_fault(redis),
    )


async def _write_fault(redis: Client) -> str:
    try:
        await probe(redis)
    except BrokerError as error:
        return str(error)
    return ""


def something(spilled: Mapping[str, Spilled]) -> dict[str, Spilled]:
    """The places where there is anything to tell of."""
    return {place: seen for place, seen in sorted(spilled.items()) if not seen.is_nothing()}
