"""Who did what: reveals, replays, discards and the like, so that it can be told later.

What a Lua step does is written down by that step (broker/lua/audit.lua), so that nothing is done and untold. What
none does (a reveal, an export) is recorded before it is done. Those that ask Redis raise BrokerError.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated

_PLACE = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")

_encode = msgspec.msgpack.Encoder().encode


class AuditEntry(Struct, frozen=True):
    """One thing that somebody did."""

    by: str
    what: str
    """`reveal`, `replay`, `discard`, `annotate`, `edit`, `export`, `import`, `forget`, `pause`, `login` ..."""

    about: str = ""
    """What it was done to: an id, a filter, a number. Never personal data."""

    details: Mapping[str, str] = {}


class Recorded(Struct, frozen=True):
    """An audit entry and its place in the log."""

    id: str
    """Where the page before it ends."""

    at_ms: int
    """By the clock of Redis."""

    audit_entry: AuditEntry


_decode = msgspec.msgpack.Decoder(AuditEntry).decode


def packed(audit_entry: AuditEntry) -> bytes:
    """As the step that does it takes it."""
    return _encode(audit_entry)


async def record(redis: Client, audit_entry: AuditEntry) -> None:
    """Write it down, even where Redis is full, before it is done. Sent twice, it may stand twice."""
    with translated():
        await scripts.APPEND_AUDIT(redis, packed(audit_entry))


def is_place(text: str) -> bool:
    """Whether a text has the form of a place in the log."""
    return _PLACE.fullmatch(text) is not None


async def read(redis: Client, *, before: str = "", count: int = 50) -> list[Recorded]:
    """The last audit entries, newest first, from before a place on."""
    with translated():
        found = await redis.xrevrange(redis.names.audit, max=f"({before}" if before else "+", count=count)
    return [Recorded(name.decode(), int(name.split(b"-")[0]), _audit_entry(fields)) for name, fields in found]


def _audit_entry(fields: Mapping[bytes, bytes]) -> AuditEntry:
    """One that cannot be read stands there as such: a line of the log never hides."""
    try:
        return _decode(fields[b"d"])
    except (KeyError, ValueError, RecursionError):
        return AuditEntry("", "unreadable")
