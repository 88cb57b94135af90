"""The decisions of people about failure groups: resolved, muted, assigned, noted. All functions raise BrokerError.

A group has letters in any partition, and its decisions in the control partition: a hash dead:group:{fingerprint}
with the fields of `GroupState`. It expires `KEPT_S` after the last time that the group was seen to have letters.

A resolved group is one that no partition knows: its fingerprint is removed from dead:groups. So its next letter
is news, as that of a group that never failed before, and the usual alert is raised. Adding letters costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, structs

from broker.monitoring.audit import AUDIT, AuditEntry, packed
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import FULL, Script
from runtime.ids import new_id

KEPT_S = 90 * 86_400
"""How long the decisions about a group without letters are kept. A muted group may come back that late."""

MOST_GROUPS = 2000
"""How many groups can have decisions. As many combinations of dimensions are indexed, so groups have no more."""

MAX_ASSIGNEE_CHARS = 100

BY = "alerts"
"""The name in the audit log for opening a group that has returned."""

_FINGERPRINT = re.compile("[0-9a-z]{1,64}")
_AT_A_TIME = 500

_CHANGE = Script(
    "dead_letters/groups/change",
    parts=(FULL, AUDIT),
    keys=("dead_group:fingerprint", "dead_group_states", "dead_groups", "dead_unreported"),
    args=(
        *("fingerprint", "change", "set: packed", "unset: packed", "stamp", "knows"),
        *("kept_ms: number", "most: number", "audit_entry"),
    ),
)
_RETURNED = Script(
    "dead_letters/groups/returned",
    parts=(FULL, AUDIT),
    keys=("dead_group:fingerprint",),
    args=("fingerprint", "resolved_ms", "audit_entry"),
)
_KEEP = Script(
    "dead_letters/groups/keep",
    parts=(FULL,),
    keys=("dead_group_states",),
    args=("kept_ms: number",),
    rest="fingerprints",
)

StateName = Literal["open", "muted", "resolved"]


class GroupState(Struct, frozen=True, kw_only=True):
    """The decisions about one failure group. Times are in ms since 1970 by the clock of Redis, 0 for none."""

    resolved_ms: int = 0
    resolved_by: str = ""
    """The person who resolved the group last, also if it has returned since then."""

    returned_ms: int = 0
    """When the group was found to have new letters after it was resolved."""

    muted_ms: int = 0
    muted_until_ms: int = 0
    """When the mute ends by itself; 0 if it does not."""

    muted_by: str = ""
    assigned_ms: int = 0
    assigned_to: str = ""
    assigned_by: str = ""
    noted_ms: int = 0
    note: str = ""
    noted_by: str = ""

    def is_muted(self, now_ms: int) -> bool:
        """Return whether the group causes no alerts at a time."""
        return bool(self.muted_ms) and not 0 < self.muted_until_ms <= now_ms

    def name(self, now_ms: int) -> StateName:
        """The state in one word. A group that is resolved and muted counts as resolved."""
        if self.resolved_ms:
            return "resolved"
        return "muted" if self.is_muted(now_ms) else "open"


class GroupChange(Struct, frozen=True, kw_only=True):
    """One change of the decisions about a group."""

    what: str
    """The operation, for the audit log."""

    set: Mapping[str, str] = {}
    """New values of fields of `GroupState`."""

    unset: Sequence[str] = ()
    stamp: str = ""
    """The field that gets the time of the change."""

    knows: Literal["remember", "forget", ""] = ""
    """If it is "forget", the next letter of the group is news; "" changes nothing about that."""

    details: Mapping[str, str] = {}
    """The details of the audit entry."""


class TooManyGroupsError(Exception):
    """`MOST_GROUPS` groups have decisions."""

    def __init__(self) -> None:
        super().__init__(
            f"{MOST_GROUPS:,} groups are resolved, muted, assigned or noted already; reopen, unmute, unassign and "
            "empty the notes of groups that need no decision any more"
        )


def is_fingerprint(text: str) -> bool:
    """Return whether a text can be the fingerprint of a group. Any other could name another key."""
    return bool(_FINGERPRINT.fullmatch(text))


async def change(redis: Client, fingerprint: str, wanted: GroupChange, *, by: str) -> bool:
    """Change the decisions about a group, with an audit entry. Returns False if nothing was to be changed.

    redis: the control partition. by: the name of the person. Raises TooManyGroupsError.
    """
    audit_entry = packed(AuditEntry(by, wanted.what, _about(fingerprint), wanted.details))
    with translated():
        changed = await _CHANGE(
            redis,
            fingerprint=fingerprint,
            change=new_id(),
            set=[word for field in wanted.set.items() for word in field],
            unset=list(wanted.unset),
            stamp=wanted.stamp,
            knows=wanted.knows,
            kept_ms=KEPT_S * 1000,
            most=MOST_GROUPS,
            audit_entry=audit_entry,
        )
    if int(changed) < 0:
        raise TooManyGroupsError
    return bool(changed)


async def note_return(redis: Client, fingerprint: str, resolved_ms: int) -> None:
    """Record that a group has new letters after it was resolved, with an audit entry of no person.

    redis: the control partition. resolved_ms: as it was read; a group that was resolved again stays so.
    """
    entry = packed(AuditEntry(BY, "reopen", _about(fingerprint), {"because": "it has a new dead letter"}))
    with translated():
        await _RETURNED(redis, fingerprint=fingerprint, resolved_ms=str(resolved_ms), audit_entry=entry)


async def forget_known(redis: Client, fingerprint: str) -> None:
    """Let the next letter of a group in this partition be news."""
    with translated():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.zrem(redis.names.dead_groups, fingerprint)
            pipe.hdel(redis.names.dead_unreported, fingerprint)
            await pipe.execute()


async def known(redis: Client, fingerprints: Collection[str]) -> set[str]:
    """Return those of the groups whose next letter in this partition is no news."""
    names = list(fingerprints)
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.zscore(redis.names.dead_groups, name)
            times = await pipe.execute()
    return {name for name, at_ms in zip(names, times, strict=True) if at_ms is not None}


async def read(redis: Client, fingerprints: Collection[str] | None = None) -> dict[str, GroupState]:
    """Return the decisions about groups that have any, by fingerprint. redis: the control partition.

    fingerprints: of these groups; the default is all. `resolved_ms` is set also if the group has returned since.
    """
    with translated():
        listed: list[bytes] = await redis.zrange(redis.names.dead_group_states, 0, MOST_GROUPS - 1)
        names = [name for word in listed if is_fingerprint(name := word.decode("utf-8", "replace"))]
        if fingerprints is not None:
            names = [name for name in names if name in fingerprints]
        if not names:
            return {}
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(redis.names.dead_group + name)
            found = await pipe.execute()
    return {name: _state(fields) for name, fields in zip(names, found, strict=True) if fields}


async def keep(redis: Client, fingerprints: Iterable[str]) -> None:
    """Keep the decisions about these groups, which have letters now. redis: the control partition."""
    names = list(fingerprints)
    for start in range(0, len(names), _AT_A_TIME):
        with translated():
            await _KEEP(redis, fingerprints=names[start : start + _AT_A_TIME], kept_ms=KEPT_S * 1000)


def _about(fingerprint: str) -> str:
    return f"group {fingerprint}"


def _state(fields: Mapping[bytes, bytes]) -> GroupState:
    values: dict[str, Any] = {}
    for field in structs.fields(GroupState):
        value = fields.get(field.name.encode())
        if value is not None:
            values[field.name] = (
                parse_int(value) if field.type is int else value.decode("utf-8", "backslashreplace")
            )
    return GroupState(**values)
