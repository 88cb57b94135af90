"""Moves digests whose window has not ended: out in one step, and in, a few events at a time, each of them once."""

from __future__ import annotations

from collections.abc import Sequence

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, Script
from broker.repartition import out
from broker.repartition.plan import Plan, run_all
from broker.repartition.state import MOVING, checked

_KIND = "digest:"
_EVENTS = 20
"""Events that are added in one step: their bodies may be large."""

_CHUNK = 200

_TAKE_DIGEST = Script(
    "repartition/take_digest",
    parts=(FULL, MOVING),
    keys=("digests", "digests_counted", "repartition_out", "digest:digest", "repartition_digest:digest"),
    args=("layout", "digest"),
)
_ADD_DIGEST = Script(
    "repartition/add_digest",
    parts=(FULL, MOVING),
    keys=("digests", "digests_counted", "repartition_in", "digest:digest"),
    args=("layout", "digest", "before: number", "is_last: number", "ends_ms", "counted"),
    rest="events",
)


async def to_move(plan: Plan, source: Client) -> list[str]:
    """Return the ids of the digests whose home is another partition. Raises BrokerError."""
    with translated():
        names = await source.zrange(source.names.digests, 0, -1)
    ids = [name.decode("utf-8", "surrogateescape") for name in names]
    return [digest for digest in ids if plan.new.number_for(digest) != source.partition]


async def move(plan: Plan, source: Client) -> None:
    """Move all digests whose home is another partition. Safe to repeat. Raises BrokerError, NotMovingError."""

    await deliver(plan, source)  # what an interrupted run has left
    digests = await to_move(plan, source)
    for start in range(0, len(digests), _CHUNK):
        chunk = digests[start : start + _CHUNK]
        layout = plan.layout_of(source)
        await run_all(source, _TAKE_DIGEST, [{"layout": layout, "digest": digest} for digest in chunk])
        await deliver(plan, source)


async def deliver(plan: Plan, source: Client) -> None:
    """Add the digests that have left the partition to their new homes. Raises BrokerError, NotMovingError."""

    async for rows in out.read(source, _KIND, count=_CHUNK):
        for row in rows:
            await _add(plan, source, row.id, row.fields)
        await plan.confirm()
        await out.forget(source, _KIND, rows, also=[source.names.repartition_digest + row.id for row in rows])
        plan.report("digests", len(rows))


async def _add(plan: Plan, source: Client, digest: str, fields: Sequence[bytes]) -> None:
    ends_ms, counted = fields
    target = plan.new[plan.new.number_for(digest)]
    waiting = source.names.repartition_digest + digest
    with translated():
        size = await source.llen(waiting)  # type: ignore[misc]
        for start in range(0, size, _EVENTS):
            events = await source.lrange(waiting, start, start + _EVENTS - 1)  # type: ignore[misc]
            reply = await _ADD_DIGEST(
                target,
                layout=plan.layout,
                digest=digest,
                before=start,
                is_last=int(start + _EVENTS >= size),
                ends_ms=ends_ms,
                counted=counted,
                events=events,
            )
            checked(reply)
