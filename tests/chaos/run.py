"""One run of the harness: a stack, a sender, a tormentor, and the audit when all is at rest."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from broker import stats
from broker.client import Client
from broker.errors import BrokerError
from tests.chaos.audit import Audit, audit
from tests.chaos.harms import Harm
from tests.chaos.sender import Pace, Sender
from tests.chaos.stack import Stack, running_stack
from tests.chaos.tormentor import Suffered, Tormentor
from tests.until import until

_AT_REST_WITHIN_S = 180.0


class Report(Struct, frozen=True, kw_only=True):
    """What a run did and what the audit found."""

    seed: int
    seconds: float
    audit: Audit
    suffered: list[Suffered]
    kills: int
    tries: int
    """Requests that reached the sink."""
    answers: dict[int, int]
    """How often the sender got which: an HTTP status, or what tests.chaos.sender names."""
    ack_s: Sequence[float]
    """Sorted."""
    slowest_s: float
    exit_codes: list[int]
    """Of the commands at SIGTERM, once all was at rest."""
    failures: list[str]
    """What receivers and workers said of faults of their own: none is what harms from outside may bring about."""

    def ack_percentile_s(self, share: float) -> float:
        return self.ack_s[min(len(self.ack_s) - 1, int(share * len(self.ack_s)))]

    def faults(self) -> list[str]:
        unclean = [f"commands ended with {self.exit_codes}"] if any(self.exit_codes) else []
        failed = [f"{len(self.failures)} failures, the first: {self.failures[0]}"] if self.failures else []
        return self.audit.faults() + unclean + failed


async def run(
    directory: Path, *, seed: int, events: int, pace: Pace, schedule: Sequence[Harm], spill_dir: str = ""
) -> Report:
    """`events`, and more if the harms take longer; every one is accepted in the end."""
    started_s = time.monotonic()
    async with running_stack(directory, spill_dir=spill_dir) as stack:
        sender = Sender(stack.port, pace, random.Random(f"sender/{seed}"))
        tormentor = Tormentor(stack, sender, schedule)
        async with asyncio.TaskGroup() as group:
            group.create_task(tormentor.run())
            await sender.run(lambda number: number < events or not tormentor.is_done)
        await until(lambda: _is_at_rest(stack.redis), seconds=_AT_REST_WITHIN_S)
        exit_codes = await _stop(stack)
        found = await audit(stack.redis, stack.record, sender.begun, tormentor.suffered)
        return Report(
            seed=seed,
            seconds=time.monotonic() - started_s,
            audit=found,
            suffered=tormentor.suffered,
            kills=tormentor.kills,
            tries=stack.record.tries,
            answers=dict(Counter(sender.answers)),
            ack_s=sorted(sender.ack_s),
            slowest_s=sender.slowest_s,
            exit_codes=exit_codes,
            failures=[failure for command in stack.commands for failure in command.failures()],
        )


async def _stop(stack: Stack) -> list[int]:
    """Whoever still has something to send sends it now: nothing comes after the audit."""
    return list(await asyncio.gather(*(command.stop() for command in stack.commands)))


async def _is_at_rest(redis: Client) -> bool:
    try:
        totals = await stats.read_totals(redis)
    except BrokerError:
        return False
    return not totals.queued and not totals.waiting
