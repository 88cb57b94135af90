"""Moves the newest times of `latest_only` subjects.

No notification gets the lock of a subject while data moves, but one that had it before may still be sent, and its
time be stored in the old home. So a subject whose lock is held is moved once it is released or has expired.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, Script
from broker.repartition.plan import Plan, run_all
from broker.repartition.state import MOVING

_CHUNK = 1000
_AGAIN_S = 0.5
"""Seconds between two looks at the subjects whose lock is held."""

_ADD_SUBJECT = Script(
    "repartition/add_subject",
    parts=(FULL, MOVING),
    keys=("latest:subject",),
    args=("layout", "subject", "at_ms: number"),
)
_FORGET_SUBJECT = Script(
    "repartition/forget_subject",
    parts=(FULL, MOVING),
    keys=("latest:subject",),
    args=("layout", "subject", "at_ms: number"),
)


async def to_move(plan: Plan, source: Client) -> AsyncIterator[list[str]]:
    """Yield the ids of the subjects whose home is another partition, in chunks. Raises BrokerError."""
    start = len(source.names.latest)
    chunk: list[str] = []
    with translated():
        async for name in source.scan_iter(match=f"{source.names.latest}*", count=1000):
            subject = name[start:].decode("utf-8", "surrogateescape")
            if plan.new.number_for(subject) == source.partition:
                continue
            chunk.append(subject)
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


async def move(plan: Plan, source: Client) -> None:
    """Move all subjects whose home is another partition. Safe to repeat. Raises BrokerError, NotMovingError.

    Waits for the locks that are held, which expire by themselves.
    """
    held: list[str] = []
    async for subjects in to_move(plan, source):
        held += await _move(plan, source, subjects)
    while held:
        await asyncio.sleep(_AGAIN_S)
        held = await _move(plan, source, held)


async def _move(plan: Plan, source: Client, subjects: Iterable[str]) -> list[str]:
    """Move those of the subjects whose lock is free. Returns the others."""
    subjects = list(subjects)
    now_ms = await clock.now_ms(source)
    with translated():
        async with source.pipeline(transaction=False) as pipe:
            for subject in subjects:
                pipe.hmget(source.names.latest + subject, ["at", "until"])
            values = await pipe.execute()
    newest = {subject: parse_int(at_ms) for subject, (at_ms, _) in zip(subjects, values, strict=True)}
    held = {subject for subject, (_, until) in zip(subjects, values, strict=True) if parse_int(until) > now_ms}
    free = [subject for subject in subjects if subject not in held]

    by_home: defaultdict[int, list[str]] = defaultdict(list)
    for subject in free:
        by_home[plan.new.number_for(subject)].append(subject)
    for home, these in by_home.items():
        await run_all(plan.new[home], _ADD_SUBJECT, [_arguments(plan.layout, each, newest) for each in these])
    await plan.confirm()
    layout = plan.layout_of(source)
    forgotten = await run_all(source, _FORGET_SUBJECT, [_arguments(layout, each, newest) for each in free])
    held.update(subject for subject, is_gone in zip(free, forgotten, strict=True) if not is_gone)  # it has changed
    plan.report("subjects", len(free))
    return [subject for subject in subjects if subject in held]


def _arguments(layout: str, subject: str, newest: Mapping[str, int]) -> dict[str, Any]:
    return {"layout": layout, "subject": subject, "at_ms": newest[subject]}
