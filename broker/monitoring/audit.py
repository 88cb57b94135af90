"""The audit log: who revealed, replayed, discarded or changed what, and when.

If a script makes the change, the same script writes the entry (audit.lua), so that no change is made without an
audit entry. Operations without a script, such as a reveal or an export, are recorded before they are done. All
functions that access Redis raise BrokerError.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import FULL, STREAMS, Part, Script

AUDIT = Part("monitoring/audit", parts=(STREAMS,), keys=("audit",))
_APPEND_AUDIT = Script("monitoring/append_audit", parts=(FULL, AUDIT), keys=("audit",), args=("audit_entry",))

_encode = msgspec.msgpack.Encoder().encode


class AuditEntry(Struct, frozen=True):
    """The record of one operation by a person."""

    by: str
    """The name of the person."""

    what: str
    """The operation: `reveal`, `replay`, `discard`, `annotate`, `edit`, `export`, `pause`, `login` and others."""

    about: str = ""
    """The object of the operation: an id, a filter or a number. It never contains personal data."""

    details: Mapping[str, str] = {}


class StoredAuditEntry(Struct, frozen=True):
    """An audit entry with its position in the log."""

    id: str
    """The position, which `read` accepts as `before`."""

    at_ms: int
    """When the entry was written, in ms since 1970 by the clock of Redis."""

    audit_entry: AuditEntry


_decode = msgspec.msgpack.Decoder(AuditEntry).decode


def packed(audit_entry: AuditEntry) -> bytes:
    """Return an entry in the form that scripts append to the log (msgpack)."""
    return _encode(audit_entry)


async def record(redis: Client, audit_entry: AuditEntry) -> None:
    """Write an entry, even if Redis is full. If a lost connection repeats this, there may be two entries."""
    with translated():
        await _APPEND_AUDIT(redis, audit_entry=packed(audit_entry))


async def read(
    redis: Client, *, before: str = "", count: int = 50, including: bool = False
) -> list[StoredAuditEntry]:
    """Return up to `count` audit entries, newest first. broker/merged/audit.py reads those of all partitions.

    before: a position; only older entries are returned. The default is to start at the newest entry. including:
    also return the entry at this position.
    """
    newest = "+" if not before else before if including else f"({before}"
    with translated():
        entries = await redis.xrevrange(redis.names.audit, max=newest, count=count)
    return [
        StoredAuditEntry(name.decode(), int(name.split(b"-")[0]), _audit_entry(fields)) for name, fields in entries
    ]


def _audit_entry(fields: Mapping[bytes, bytes]) -> AuditEntry:
    """Return the entry in a stream entry, or a placeholder if it cannot be read, so that no line is hidden."""
    try:
        return _decode(fields[b"d"])
    except (KeyError, ValueError, RecursionError):
        return AuditEntry("", "unreadable")
