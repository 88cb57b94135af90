"""Moves what waits in a partition that will be removed: batches, jobs, and bodies held for other partitions."""

from __future__ import annotations

import asyncio
from typing import Any

from broker.queue import held_bodies
from broker.queue.parts import BATCHES, JOBS, WAKE
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, PAIRS, Script
from broker.repartition import out
from broker.repartition.out import Row
from broker.repartition.plan import Plan, run_all
from broker.repartition.state import MOVING, checked

_ENTRY, _JOB = "entry:", "job:"
_CHUNK = 100
"""Batches or jobs that are on their way at the same time: each may be large."""

_AGAIN_S = 0.5
"""Seconds between two looks at jobs that workers run."""

_MOST_PLACES = 10_000

_TAKE_ENTRY = Script(
    "repartition/removal/take_entry",
    parts=(FULL, MOVING, PAIRS),
    keys=("stream", "repartition_out"),
    args=("layout", "entry"),
)
_ADD_ENTRY = Script(
    "repartition/removal/add_entry",
    parts=(FULL, MOVING, BATCHES),
    keys=("stream", "repartition_in"),
    args=("layout", "name", "bodies", "blob", "any_age", "origin", "places"),
)
_TAKE_JOB = Script(
    "repartition/removal/take_job",
    parts=(FULL, MOVING, JOBS),
    keys=("queue", "repartition_out", "job:job", "in_progress:job", "done:job", "held_ms:job"),
    args=("layout", "job", "channel"),
)
_ADD_JOB = Script(
    "repartition/removal/add_job",
    parts=(FULL, MOVING, WAKE),
    keys=("queue", "channels", "repartition_in", "job:job", "done:job", "held_ms:job"),
    args=("layout", "job", "blob", "since_ms", "channel", "held_ms"),
    rest="done",
)


async def release_bodies(plan: Plan, source: Client) -> None:
    """Return bodies to the stream that wait for a partition: after the move they may have another home.

    Safe to repeat. Raises BrokerError.
    """
    for home in range(len(plan.all)):
        while await held_bodies.release(source, home, most=_CHUNK):
            pass


async def mark_origin(plan: Plan, source: Client, entry: str) -> None:
    """Append a batch again with its origin, so that workers look for markers of all its bodies.

    For a batch that was processed in part and not committed. Safe to repeat. Raises BrokerError, NotMovingError.
    """
    await _deliver_entries(plan, source)  # what an interrupted run has left
    with translated():
        checked(await _TAKE_ENTRY(source, layout=plan.layout_of(source), entry=entry))
    await _deliver_entries(plan, source)


async def move_entries(plan: Plan, source: Client) -> int:
    """Move all batches. Returns how many there were. Safe to repeat. Raises BrokerError, NotMovingError."""

    count = await _deliver_entries(plan, source)  # what an interrupted run has left
    while True:
        with translated():
            entries = await source.xrange(source.names.stream, count=_CHUNK)
        if not entries:
            return count
        layout = plan.layout_of(source)
        await run_all(source, _TAKE_ENTRY, [{"layout": layout, "entry": entry.decode()} for entry, _ in entries])
        count += await _deliver_entries(plan, source)


async def move_jobs(plan: Plan, source: Client) -> int:
    """Move all jobs, also those that are held for a channel, and wait for those that workers run.

    Returns how many there were. Safe to repeat. Raises BrokerError, NotMovingError.
    """
    count = await _deliver_jobs(plan, source)  # what an interrupted run has left
    while jobs := await _jobs(source):
        before = count
        for start in range(0, len(jobs), _CHUNK):
            layout = plan.layout_of(source)
            calls = [
                {"layout": layout, "job": job, "channel": channel} for job, channel in jobs[start : start + _CHUNK]
            ]
            await run_all(source, _TAKE_JOB, calls)
            count += await _deliver_jobs(plan, source)
        if count == before:
            await asyncio.sleep(_AGAIN_S)
    return count


async def deliver(plan: Plan, source: Client) -> None:
    """Add the batches and jobs that have left the partition to their new homes. Raises as `move_jobs` does."""
    await _deliver_entries(plan, source)
    await _deliver_jobs(plan, source)


async def _jobs(source: Client) -> list[tuple[str, str]]:
    """Return (id, channel that it is held for) of each job that exists."""
    names = source.names
    with translated():
        held_for = await source.smembers(names.channels)  # type: ignore[misc]
        found: list[tuple[str, str]] = []
        for channel in ("", *(name.decode("utf-8", "surrogateescape") for name in held_for)):
            jobs = await source.zrange(names.held_jobs + channel if channel else names.queue, 0, -1)
            found += [(name.decode("utf-8", "surrogateescape"), channel) for name in jobs]
        async with source.pipeline(transaction=False) as pipe:
            for job, _ in found:
                pipe.exists(names.job + job)
            exist = await pipe.execute() if found else []
    return [job for job, exists in zip(found, exist, strict=True) if exists]


async def _deliver_entries(plan: Plan, source: Client) -> int:
    async def add(row: Row) -> None:
        bodies, blob, any_age, origin, places = row.fields
        if not origin:
            origin = f"{source.partition}/{row.id}".encode()
            places = held_bodies.packed_places(range(min(parse_int(bodies), _MOST_PLACES))).encode()
        with translated():
            reply = await _ADD_ENTRY(
                plan.heir_of(source),
                layout=plan.layout,
                name=f"{_ENTRY}{source.partition}/{row.id}",
                bodies=bodies,
                blob=blob,
                any_age=any_age,
                origin=origin if places else "",
                places=places,
            )
        checked(reply)

    count = 0
    async for rows in out.read(source, _ENTRY, count=_CHUNK):
        # In their order, so that the heir's stream has it too.
        for row in sorted(rows, key=lambda row: tuple(map(parse_int, row.id.split("-")))):
            await add(row)
        await plan.confirm()
        await out.forget(source, _ENTRY, rows)
        plan.report("batches", len(rows))
        count += len(rows)
    return count


async def _deliver_jobs(plan: Plan, source: Client) -> int:
    count = 0
    async for rows in out.read(source, _JOB, count=_CHUNK):
        await run_all(plan.heir_of(source), _ADD_JOB, [_job_arguments(plan, row) for row in rows])
        await plan.confirm()
        await out.forget(source, _JOB, rows)
        plan.report("jobs", len(rows))
        count += len(rows)
    return count


def _job_arguments(plan: Plan, row: Row) -> dict[str, Any]:
    blob, since_ms, channel, held_ms, done = row.fields
    return {
        "layout": plan.layout,
        "job": row.id,
        "blob": blob,
        "since_ms": since_ms,
        "channel": channel,
        "held_ms": held_ms,
        "done": [index for index in done.split(b",") if index],
    }
