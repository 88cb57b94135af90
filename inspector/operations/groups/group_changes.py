"""Changes of the decisions about a failure group: resolve, mute, assign, note. Each writes an audit entry."""

from __future__ import annotations

from datetime import UTC, datetime

from broker.dead_letters import MAX_NOTE_CHARS, group_states
from broker.dead_letters.group_states import MAX_ASSIGNEE_CHARS, GroupChange, TooManyGroupsError
from broker.merged import group_states as all_group_states
from broker.merged import letters as all_letters
from broker.merged.away import Away, because
from broker.redis.clock import ask_ms
from broker.redis.errors import Unavailable
from broker.redis.partitions import Partitions
from inspector.privacy.masking import DEFAULT

_LATEST_MS = 253_402_300_799_000  # the end of the year 9999, beyond which datetime fails


class GroupChangeError(ValueError):
    """The change cannot be made. The message says why."""


class UnknownGroupError(GroupChangeError):
    """No dead letter has this fingerprint, and no decision about it is kept."""

    def __init__(self) -> None:
        super().__init__("there is no such group: no dead letter is in it")


async def resolve(partitions: Partitions, fingerprint: str, *, by: str) -> bool:
    """Mark a group as resolved. Its next dead letter opens it again and raises the alert of a new group.

    Like all functions here, this returns False if nothing was to be changed, and raises GroupChangeError and
    BrokerError.
    """
    wanted = GroupChange(
        what="resolve",
        set={"resolved_by": by},
        unset=("returned_ms",),
        stamp="resolved_ms",
        knows="forget",
    )
    return await _change(partitions, fingerprint, wanted, by)


async def reopen(partitions: Partitions, fingerprint: str, *, by: str) -> bool:
    """Mark a resolved group as open again. Its next dead letter raises no alert."""
    unset = ("resolved_ms", "resolved_by", "returned_ms")
    return await _change(partitions, fingerprint, GroupChange(what="reopen", unset=unset, knows="remember"), by)


async def mute(partitions: Partitions, fingerprint: str, *, by: str, until_ms: int = 0) -> bool:
    """Let a group cause no alerts, until a time in ms since 1970; 0 for until it is unmuted."""
    if until_ms and not await ask_ms(partitions.control) < until_ms <= _LATEST_MS:
        raise GroupChangeError("the time until which the group is muted must be in the future")
    until = datetime.fromtimestamp(until_ms / 1000, UTC).isoformat(timespec="seconds") if until_ms else "unmuted"
    wanted = GroupChange(
        what="mute",
        set={"muted_by": by, "muted_until_ms": str(until_ms)},
        stamp="muted_ms",
        details={"until": until},
    )
    return await _change(partitions, fingerprint, wanted, by)


async def unmute(partitions: Partitions, fingerprint: str, *, by: str) -> bool:
    """Let a group cause alerts again."""
    unset = ("muted_ms", "muted_by", "muted_until_ms")
    return await _change(partitions, fingerprint, GroupChange(what="unmute", unset=unset), by)


async def assign(partitions: Partitions, fingerprint: str, to: str, *, by: str) -> bool:
    """Assign a group to a user or a team; "" for no one."""
    to = _text(to, "a name", MAX_ASSIGNEE_CHARS)
    # It is shown in lists and in addresses, which never contain personal data.
    if DEFAULT.text(to) != to:
        raise GroupChangeError("assign the group to the name of a user or a team, not to an address or a number")
    wanted = (
        GroupChange(
            what="assign",
            set={"assigned_to": to, "assigned_by": by},
            stamp="assigned_ms",
            details={"to": to},
        )
        if to
        else GroupChange(what="unassign", unset=("assigned_ms", "assigned_to", "assigned_by"))
    )
    return await _change(partitions, fingerprint, wanted, by)


async def note(partitions: Partitions, fingerprint: str, text: str, *, by: str) -> bool:
    """Replace the note on a group; "" removes it."""
    text = _text(text, "a note", MAX_NOTE_CHARS)
    wanted = (
        GroupChange(what="annotate", set={"note": text, "noted_by": by}, stamp="noted_ms")
        if text
        else GroupChange(what="annotate", unset=("noted_ms", "note", "noted_by"), details={"note": "removed"})
    )
    return await _change(partitions, fingerprint, wanted, by)


async def _change(partitions: Partitions, fingerprint: str, wanted: GroupChange, by: str) -> bool:
    if not await _exists(partitions, fingerprint):
        raise UnknownGroupError
    try:
        if wanted.knows == "forget":
            return await all_group_states.resolve(partitions, fingerprint, wanted, by=by)
        return await group_states.change(partitions.control, fingerprint, wanted, by=by)
    except TooManyGroupsError as error:
        raise GroupChangeError(str(error)) from None


async def _exists(partitions: Partitions, fingerprint: str) -> bool:
    """Return whether a group has letters or decisions. Raises Unavailable if a partition is away that may know."""
    if not group_states.is_fingerprint(fingerprint):
        return False
    if await group_states.read(partitions.control, [fingerprint]):
        return True
    away: Away = {}
    kinds = await all_letters.read_combinations(partitions, away=away)
    if any(kind.dimensions.fingerprint == fingerprint for kind in kinds.combinations):
        return True
    if away:
        raise Unavailable(because(away, ", and the letters of the group may be there"))
    return False


def _text(text: str, what: str, most: int) -> str:
    """The text as it is stored. Raises GroupChangeError if it is too long."""
    text = text.strip()
    if len(text) > most:
        raise GroupChangeError(f"{what} has at most {most:,} characters")
    # A form may hold lone surrogates, which the Redis client cannot encode.
    return text.encode("utf-8", "replace").decode()
