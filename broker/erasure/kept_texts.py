"""Taking a person out of what people and workers noted: notes, actions, the audit log, drift, alerts.

Each change is one step in Redis that does nothing where something else stands there by now. All raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import structs

from broker.dead_letters import Note
from broker.dead_letters.packing import unpacked_notes
from broker.dead_letters.stored_actions import Order
from broker.erasure.queued_work import Eraser
from broker.monitoring.audit import AuditEntry, packed
from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated

FORGOTTEN = "(forgotten)"
"""Stands in place of the person."""

_PAGE = 500
_WHY = b"eg:"
"""Prefix of the fields of an action that hold the error of one letter (broker/dead_letters/stored_actions.py)."""

_encode = msgspec.msgpack.Encoder().encode


async def notes(redis: Client, is_about: Callable[[Note], bool]) -> int:
    """Remove notes from dead letters; how many that were. Only letters with notes are looked at."""
    gone = 0
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.dead_notes}*", count=1000):
            blob = await redis.get(key) or b""
            found = _notes(blob)
            stay = [note for note in found if not is_about(note)]
            if len(stay) < len(found):
                name = _text(key)[len(redis.names.dead_notes) :]
                if await scripts.REWRITE_NOTES(redis, name, blob, _encode(stay) if stay else b""):
                    gone += len(found) - len(stay)
    return gone


async def actions(redis: Client, eraser: Eraser) -> int:
    """Take the person out of filters and notes of actions, and of the errors that they kept; how many actions."""
    with translated():
        names = [_text(name) for name in await redis.zrange(redis.names.actions, 0, -1)]
    changed = 0
    for name in names:
        with translated():
            fields: dict[bytes, bytes] = await redis.hgetall(redis.names.action + name)  # type: ignore[misc]
        is_changed = False
        for field, value in fields.items():
            rest = _field_without(field, value, eraser)
            if rest != value:
                with translated():
                    is_changed |= bool(await scripts.REWRITE_ACTION(redis, name, field, value, rest))
        changed += is_changed
    return changed


def _field_without(field: bytes, value: bytes, eraser: Eraser) -> bytes:
    if field == b"a":
        order = _order(value)
        return value if order is None or (rest := _order_without(order, eraser)) == order else _encode(rest)
    if not field.startswith(_WHY):
        return value
    text = value.decode("utf-8", "surrogateescape")
    return eraser.text(text).encode("utf-8", "surrogateescape")


def _order_without(order: Order, eraser: Eraser) -> Order:
    """A filter that names the person finds nothing then; without that part it would find all."""
    wanted = {name: _value_without(value, eraser) for name, value in order.wanted.items()}
    return structs.replace(order, wanted=wanted, note=eraser.text(order.note))


def _value_without(value: Any, eraser: Eraser) -> Any:
    return eraser.text(value) if isinstance(value, str) else value


async def audit_entries(redis: Client, eraser: Eraser) -> int:
    """Take the person out of the audit log, except of who did it; how many entries.

    An entry that changes moves to the end of the log, and says when it was written.
    """
    changed, start = 0, "-"
    with translated():
        last = await redis.xrevrange(redis.names.audit, count=1)
    end = last[0][0].decode() if last else "-"
    while True:
        with translated():
            found = await redis.xrange(redis.names.audit, min=start, max=end, count=_PAGE)
        for name, fields in found:
            place, blob = name.decode(), fields.get(b"d", b"")
            rest = _audit_entry_without(blob, place, eraser)
            if rest != blob:
                with translated():
                    changed += int(await scripts.REWRITE_AUDIT(redis, place, blob, rest))
        if len(found) < _PAGE:
            return changed
        start = f"({found[-1][0].decode()}"


def _audit_entry_without(blob: bytes, place: str, eraser: Eraser) -> bytes:
    try:
        audit_entry = msgspec.msgpack.decode(blob, type=AuditEntry)
    except (ValueError, RecursionError):
        return blob
    details = {name: eraser.text(value) for name, value in audit_entry.details.items()}
    about = eraser.text(audit_entry.about)
    if (about, details) == (audit_entry.about, audit_entry.details):
        return blob
    written_ms = details.get("written_at_ms", place.split("-", maxsplit=1)[0])
    return packed(structs.replace(audit_entry, about=about, details={**details, "written_at_ms": written_ms}))


async def drift(redis: Client, eraser: Eraser) -> int:
    """Take the person out of the deviations of all sources; how many deviations."""
    changed = 0
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.drift}*", count=1000):
            source = _text(key)[len(redis.names.drift) :]
            for field in await redis.hkeys(_text(key)):  # type: ignore[misc]
                rest = _json_without(field, eraser)
                if rest != field:
                    changed += int(await scripts.REWRITE_DRIFT(redis, source, field, rest))
    return changed


async def alerts(redis: Client, eraser: Eraser) -> int:
    """Take the person out of the alerts that hold; how many."""
    changed = 0
    with translated():
        found: dict[bytes, bytes] = await redis.hgetall(redis.names.alerts)  # type: ignore[misc]
        for name, record in found.items():
            rest = _json_without(record, eraser)
            if rest != record:
                changed += int(await scripts.REWRITE_ALERT(redis, name, record, rest))
    return changed


def _json_without(data: bytes, eraser: Eraser) -> bytes:
    """JSON as it is kept, without the person; an id that may be a key or a word of it stays."""
    text = data.decode("utf-8", "surrogateescape")
    return eraser.event(text).encode("utf-8", "surrogateescape")


def _order(blob: bytes) -> Order | None:
    """None for one that cannot be read."""
    try:
        return msgspec.msgpack.decode(blob, type=Order)
    except (ValueError, RecursionError):
        return None


def _notes(blob: bytes) -> tuple[Note, ...]:
    """None of those that cannot be read."""
    try:
        return unpacked_notes(blob)
    except (ValueError, RecursionError):
        return ()


def _text(name: bytes) -> str:
    """A name that is no text stays what it is on its way back to Redis."""
    return name.decode("utf-8", "surrogateescape")
