"""A run of the harness: a stack, a sender, a disruptor, and the audit once the stack is idle."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, structs

from broker.redis.errors import BrokerError
from broker.redis.keys import prefix_of
from broker.redis.partitions import Partitions
from tests.chaos.audit import Audit, all_totals, audit, foreign_keys
from tests.chaos.disruptions import Disruption
from tests.chaos.disruptor import Disruptor, PastDisruption
from tests.chaos.events import BALANCE, OTHER_FIRST, request_of, request_to_other
from tests.chaos.foreign_app import ForeignAudit
from tests.chaos.installation import Installation
from tests.chaos.sender import Pace, Sender
from tests.chaos.stack import OTHER_NAMESPACE, Neighbours, Stack, running_on_cluster, running_stack
from tests.until import until

_AT_REST_WITHIN_S = 180.0
_SHARE_OF_OTHER = 0.1
"""Share of the load that the other installation gets in addition."""


class NeighbourReport(Struct, frozen=True):
    """The state of the neighbours in the database after a run."""

    other: Audit
    """The audit of the other installation."""

    foreign: ForeignAudit
    unowned_keys: list[str]
    """Keys that belong to none of the three."""

    def faults(self) -> list[str]:
        # The other installation has few notifications: those that one kill leaves unrecorded are a large share.
        other = [f"other: {fault}" for fault in self.other.faults() if not fault.endswith("were sent again")]
        unowned = [f"keys outside of any namespace: {self.unowned_keys[:5]}"] if self.unowned_keys else []
        return other + self.foreign.faults() + unowned


class Report(Struct, frozen=True, kw_only=True):
    """The data of a run, and the findings of its audit."""

    seed: int
    seconds: float
    audit: Audit
    neighbours: NeighbourReport | None
    disruptions: list[PastDisruption]
    kills: int
    tries: int
    """Number of requests that reached the sink."""
    answers: dict[int, int]
    """Number of answers to the sender: by HTTP status, or by the names in tests.chaos.sender."""
    ack_s: Sequence[float]
    """Times in seconds, sorted."""
    slowest_s: float
    exit_codes: list[int]
    """Exit codes of the commands at SIGTERM, once the stack was idle."""
    failures: list[str]
    """Errors that receivers and workers logged: disruptions from outside may cause none."""

    def ack_percentile_s(self, share: float) -> float:
        return self.ack_s[min(len(self.ack_s) - 1, int(share * len(self.ack_s)))]

    def faults(self) -> list[str]:
        unclean = [f"commands ended with {self.exit_codes}"] if any(self.exit_codes) else []
        failed = [f"{len(self.failures)} failures, the first: {self.failures[0]}"] if self.failures else []
        beside = self.neighbours.faults() if self.neighbours else []
        return self.audit.faults() + beside + unclean + failed


async def run(
    directory: Path,
    *,
    seed: int,
    events: int,
    pace: Pace,
    schedule: Sequence[Disruption],
    spill_dir: str = "",
    neighbours: bool = False,
    partitions: int = 1,
    on_cluster: bool = False,
) -> Report:
    """Run `events` webhooks, or more if the disruptions take longer; every one is finally accepted.

    neighbours: see `running_stack`. on_cluster: on six nodes, without neighbours, which cannot use a cluster.
    """
    started_s = time.monotonic()
    stack_context = (
        running_on_cluster(directory, partitions=partitions)
        if on_cluster
        else running_stack(directory, spill_dir=spill_dir, neighbours=neighbours, partitions=partitions)
    )
    async with stack_context as stack:
        sender = Sender(stack.main.port, pace, random.Random(f"sender/{seed}"), request_of)
        disruptor = Disruptor(stack, sender, schedule)
        others = await _load(stack, sender, disruptor, pace, events)
        for installation in stack.installations:
            await until(lambda of=installation.partitions: _is_at_rest(of), seconds=_AT_REST_WITHIN_S)  # type: ignore[misc]
        exit_codes = [code for one in stack.installations for code in await one.stop()]
        main_audit = await _audit(stack.main, range(sender.begun), disruptor)
        return Report(
            seed=seed,
            seconds=time.monotonic() - started_s,
            audit=main_audit,
            neighbours=await _look_at(stack.neighbours, others, disruptor) if stack.neighbours else None,
            disruptions=disruptor.disruptions,
            kills=disruptor.kills,
            tries=stack.main.record.tries,
            answers=dict(Counter(sender.answers)),
            ack_s=sorted(sender.ack_s),
            slowest_s=sender.slowest_s,
            exit_codes=exit_codes,
            failures=[
                line for one in stack.installations for command in one.commands for line in command.failures()
            ],
        )


async def _load(stack: Stack, sender: Sender, disruptor: Disruptor, pace: Pace, events: int) -> int:
    """Send webhooks and disrupt the stack, with load of the neighbours; return how many the other one got."""

    def goes_on(number: int) -> bool:
        return number < events or not disruptor.is_done

    async with asyncio.TaskGroup() as group:
        group.create_task(disruptor.run())
        if not stack.neighbours:
            await sender.run(goes_on)
            return 0
        slower = structs.replace(pace, per_s=pace.per_s * _SHARE_OF_OTHER)
        other = Sender(stack.neighbours.other.port, slower, random.Random("other"), request_to_other)
        app = group.create_task(stack.neighbours.app.run())
        loading = group.create_task(other.run(lambda _number: goes_on(sender.begun)))
        await sender.run(goes_on)
        await loading
        app.cancel()
        with suppress(asyncio.CancelledError):
            await app
        return other.begun


async def _audit(installation: Installation, accepted: range, disruptor: Disruptor) -> Audit:
    logged_s: dict[str, float] = {}
    for command in installation.workers:
        for key, at_s in command.sent(BALANCE):
            logged_s[key] = min(at_s, logged_s.get(key, at_s))
    return await audit(installation.partitions, installation.record, accepted, disruptor.disruptions, logged_s)


async def _look_at(neighbours: Neighbours, others: int, disruptor: Disruptor) -> NeighbourReport:
    other = neighbours.other
    accepted = range(OTHER_FIRST, OTHER_FIRST + others)
    return NeighbourReport(
        await _audit(other, accepted, disruptor),
        await neighbours.app.audit(),
        await foreign_keys(other.redis, (*_prefixes(neighbours), "arq:")),
    )


def _prefixes(neighbours: Neighbours) -> list[str]:
    """Return the prefixes of all partitions of both installations."""
    numbers = range(len(neighbours.other.partitions))
    return [prefix_of(namespace, number) for namespace in ("hookline", OTHER_NAMESPACE) for number in numbers]


async def _is_at_rest(partitions: Partitions) -> bool:
    try:
        totals = await all_totals(partitions)
    except BrokerError:
        return False
    return not totals.queued and not totals.waiting
