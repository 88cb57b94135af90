"""Removes a person from stored texts: notes, decisions about groups, bulk actions, the audit log, drift, alerts.

Each change is one step in Redis, which does nothing if the text has changed since it was read. All functions raise
BrokerError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import structs

from broker.dead_letters import Note
from broker.dead_letters.action import ActionRequest
from broker.dead_letters.packing import unpacked_notes
from broker.erasure import scripts
from broker.erasure.queued_work import Eraser
from broker.monitoring.audit import AuditEntry, packed
from broker.redis.client import Client
from broker.redis.errors import translated

FORGOTTEN = "(forgotten)"
"""The text that replaces the id or the address of the person."""

_PAGE = 500
_WHY = b"eg:"
"""The prefix of the fields of an action that store errors: see broker/dead_letters/stored_actions.py."""

_GROUP_TEXTS = {b"note", b"assigned_to"}

_encode = msgspec.msgpack.Encoder().encode


async def notes(redis: Client, is_about: Callable[[Note], bool]) -> int:
    """Remove notes from dead letters. Returns how many. Only letters with notes are read."""
    gone = 0
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.dead_notes}*", count=1000):
            blob = await redis.get(key) or b""
            notes = _notes(blob)
            stay = [note for note in notes if not is_about(note)]
            if len(stay) < len(notes):
                rest = _encode(stay) if stay else b""
                if await scripts.REPLACE_VALUE(redis, target=key, field="", before=blob, after=rest):
                    gone += len(notes) - len(stay)
    return gone


async def group_decisions(redis: Client, eraser: Eraser) -> int:
    """Remove the person from the notes on failure groups, and from whom they are assigned to. Returns how many."""
    changed = 0
    with translated():
        listed = await redis.zrange(redis.names.dead_group_states, 0, -1)
    for name in listed:
        key = redis.names.dead_group + _text(name)
        with translated():
            fields: dict[bytes, bytes] = await redis.hgetall(key)  # type: ignore[misc]
            for field in _GROUP_TEXTS & fields.keys():
                before = fields[field]
                after = eraser.text(_text(before)).encode("utf-8", "surrogateescape")
                if after != before:
                    changed += int(
                        await scripts.REPLACE_VALUE(redis, target=key, field=field, before=before, after=after)
                    )
    return changed


async def actions(redis: Client, eraser: Eraser) -> int:
    """Remove the person from the filters, notes and errors of bulk actions. Returns how many actions changed."""
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
                    target = redis.names.action + name
                    is_changed |= bool(
                        await scripts.REPLACE_VALUE(redis, target=target, field=field, before=value, after=rest)
                    )
        changed += is_changed
    return changed


def _field_without(field: bytes, value: bytes, eraser: Eraser) -> bytes:
    if field == b"a":
        request = _request(value)
        return (
            value if request is None or (rest := _request_without(request, eraser)) == request else _encode(rest)
        )
    if not field.startswith(_WHY):
        return value
    text = value.decode("utf-8", "surrogateescape")
    return eraser.text(text).encode("utf-8", "surrogateescape")


def _request_without(request: ActionRequest, eraser: Eraser) -> ActionRequest:
    """Return a request without the person."""
    # The value in the filter is replaced, so that the filter selects nothing. Without the value it would select
    # all letters.
    wanted = {name: _value_without(value, eraser) for name, value in request.wanted.items()}
    return structs.replace(request, wanted=wanted, note=eraser.text(request.note))


def _value_without(value: Any, eraser: Eraser) -> Any:
    return eraser.text(value) if isinstance(value, str) else value


async def audit_entries(redis: Client, eraser: Eraser) -> int:
    """Remove the person from the audit log. Returns how many entries changed.

    The name of the person who did something stays. A changed entry moves to the end of the log, and its details
    get the time when it was first written (`written_at_ms`).
    """
    changed, start = 0, "-"
    with translated():
        last = await redis.xrevrange(redis.names.audit, count=1)
    end = last[0][0].decode() if last else "-"
    while True:
        with translated():
            entries = await redis.xrange(redis.names.audit, min=start, max=end, count=_PAGE)
        for name, fields in entries:
            place, blob = name.decode(), fields.get(b"d", b"")
            rest = _audit_entry_without(blob, place, eraser)
            if rest != blob:
                with translated():
                    changed += int(await scripts.REWRITE_AUDIT(redis, place=place, before=blob, after=rest))
        if len(entries) < _PAGE:
            return changed
        start = f"({entries[-1][0].decode()}"


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
    """Remove the person from the deviations of all sources. Returns how many deviations changed."""
    changed = 0
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.drift}*", count=1000):
            source = _text(key)[len(redis.names.drift) :]
            for field in await redis.hkeys(_text(key)):  # type: ignore[misc]
                rest = _json_without(field, eraser)
                if rest != field:
                    changed += int(await scripts.RENAME_DRIFT(redis, source=source, before=field, after=rest))
    return changed


async def alerts(redis: Client, eraser: Eraser) -> int:
    """Remove the person from the active alerts. Returns how many alerts changed."""
    changed = 0
    with translated():
        records: dict[bytes, bytes] = await redis.hgetall(redis.names.alerts)  # type: ignore[misc]
        for name, record in records.items():
            rest = _json_without(record, eraser)
            if rest != record:
                target = redis.names.alerts
                changed += int(
                    await scripts.REPLACE_VALUE(redis, target=target, field=name, before=record, after=rest)
                )
    return changed


def _json_without(data: bytes, eraser: Eraser) -> bytes:
    """Return stored JSON without the person. An id that could also be a key or a word of the JSON stays."""
    text = data.decode("utf-8", "surrogateescape")
    return eraser.event(text).encode("utf-8", "surrogateescape")


def _request(blob: bytes) -> ActionRequest | None:
    """Return the request in a blob, or None if it cannot be read."""
    try:
        return msgspec.msgpack.decode(blob, type=ActionRequest)
    except (ValueError, RecursionError):
        return None


def _notes(blob: bytes) -> tuple[Note, ...]:
    """Return the notes in a blob, or () if they cannot be read."""
    try:
        return unpacked_notes(blob)
    except (ValueError, RecursionError):
        return ()


def _text(name: bytes) -> str:
    """Decode a name so that the driver encodes it to the same bytes again, even if it is not UTF-8."""
    return name.decode("utf-8", "surrogateescape")
