"""Moves what a partition that will be removed has recorded: counters, audit entries, and facts about sources.

Not kept are facts that end by themselves (failures of channels, series of errors of a source) and the list of its
finished bulk actions, which the audit log has too.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import structs

from broker.monitoring.audit import AUDIT, AuditEntry, packed
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.keys import STATS_TTL_S
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, PAIRS, Script
from broker.repartition import out
from broker.repartition.out import Row
from broker.repartition.plan import Plan, run_all
from broker.repartition.state import MOVING, checked

_COUNTERS, _AUDIT = "counters:", "audit:"
_CHUNK = 200
_TOTAL = "total"

_TAKE_COUNTERS = Script(
    "repartition/removal/take_counters",
    parts=(FULL, MOVING),
    keys=("repartition_out",),
    args=("layout", "name", "counters: key"),
)
_ADD_COUNTERS = Script(
    "repartition/removal/add_counters",
    parts=(FULL, MOVING, PAIRS),
    keys=("repartition_in",),
    args=("layout", "name", "counters: key", "lasts_s: number"),
    rest="fields",
)
_TAKE_AUDIT = Script(
    "repartition/removal/take_audit",
    parts=(FULL, MOVING),
    keys=("audit", "repartition_out"),
    args=("layout", "name", "most: number"),
)
_ADD_AUDIT = Script(
    "repartition/removal/add_audit",
    parts=(FULL, MOVING, AUDIT),
    keys=("repartition_in",),
    args=("layout", "name"),
    rest="entries",
)
_ADD_SOURCE = Script(
    "repartition/removal/add_source",
    parts=(FULL, MOVING),
    keys=("source:source",),
    args=("layout", "source", "last_ms: number"),
)

_decode_entry = msgspec.msgpack.Decoder(AuditEntry).decode


async def move_counters(plan: Plan, source: Client) -> None:
    """Add all counters to those of the heir. Safe to repeat. Raises BrokerError, NotMovingError."""
    start = len(source.names.stats_minute)
    minutes = re.compile(r"[0-9]+")
    with translated():
        keys = [name async for name in source.scan_iter(match=f"{source.names.stats_minute}*", count=1000)]
    names = [name[start:].decode("utf-8", "replace") for name in keys]

    # A name is another one each time: what was counted since may move too.
    token = f"{source.partition}:{secrets.token_hex(6)}"
    calls = [
        {
            "layout": plan.layout_of(source),
            "name": f"{_COUNTERS}{token}:{name}",
            "counters": source.names.stats_minute + name,
        }
        for name in names
        if name == _TOTAL or minutes.fullmatch(name)
    ]
    await run_all(source, _TAKE_COUNTERS, calls)
    target = plan.heir_of(source)
    async for rows in out.read(source, _COUNTERS, count=_CHUNK):
        await run_all(target, _ADD_COUNTERS, [_counters_arguments(plan, target, row) for row in rows])
        await plan.confirm()
        await out.forget(source, _COUNTERS, rows)


async def move_audit(plan: Plan, source: Client) -> None:
    """Append all audit entries to those of the heir. Safe to repeat. Raises BrokerError, NotMovingError.

    Their place in the log is when they arrive; `recorded` in their details says when they were written.
    """
    taken = 1
    while taken:
        name = f"{_AUDIT}{source.partition}:{secrets.token_hex(6)}"
        with translated():
            taken = checked(await _TAKE_AUDIT(source, layout=plan.layout_of(source), name=name, most=_CHUNK))
        await deliver_audit(plan, source)


async def deliver_audit(plan: Plan, source: Client) -> None:
    """Append the audit entries that have left the partition to those of the heir. Raises as `move_audit` does."""
    async for rows in out.read(source, _AUDIT, count=1):
        for row in rows:
            pairs = zip(row.fields[::2], row.fields[1::2], strict=True)
            entries = [_dated(entry, entry_id) for entry_id, entry in pairs]
            name = _AUDIT + row.id
            with translated():
                checked(await _ADD_AUDIT(plan.heir_of(source), layout=plan.layout, name=name, entries=entries))
        await plan.confirm()
        await out.forget(source, _AUDIT, rows)


async def copy_sources(plan: Plan, source: Client) -> None:
    """Copy when webhooks of each source were accepted last. Safe to repeat. Raises BrokerError."""
    start = len(source.names.source)
    with translated():
        async for key in source.scan_iter(match=f"{source.names.source}*", count=1000):
            name = key[start:].decode("utf-8", "surrogateescape")
            last = await source.hget(source.names.source + name, "last_accepted_ms")  # type: ignore[misc]
            reply = await _ADD_SOURCE(
                plan.heir_of(source),
                layout=plan.layout,
                source=name,
                last_ms=parse_int(last),
            )
            checked(reply)


async def copy_unreported(plan: Plan, source: Client) -> None:
    """Copy the new failure groups that no alert has reported. Safe to repeat. Raises BrokerError."""
    target = plan.heir_of(source)
    with translated():
        groups = await source.hgetall(source.names.dead_unreported)  # type: ignore[misc]
        news = dict(await source.zrange(source.names.dead_news, 0, -1, withscores=True))
        async with target.pipeline(transaction=True) as pipe:
            for group, letter in groups.items():
                pipe.hsetnx(target.names.dead_unreported, group, letter)
            if news:
                pipe.zadd(target.names.dead_news, news, gt=True)
            await pipe.execute()


def _dated(entry: bytes, entry_id: bytes) -> bytes:
    """Return an audit entry with the time at which it was written; one that cannot be read as it is."""
    try:
        audit_entry = _decode_entry(entry)
    except (ValueError, RecursionError):
        return entry
    at_ms = parse_int(entry_id.partition(b"-")[0])
    recorded = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
    return packed(structs.replace(audit_entry, details={"recorded": recorded, **audit_entry.details}))


def _counters_arguments(plan: Plan, target: Client, row: Row) -> dict[str, Any]:
    key = row.id.rpartition(":")[2]
    return {
        "layout": plan.layout,
        "name": _COUNTERS + row.id,
        "counters": target.names.stats_minute + key,
        "lasts_s": 0 if key == _TOTAL else STATS_TTL_S,
        "fields": row.fields,
    }
