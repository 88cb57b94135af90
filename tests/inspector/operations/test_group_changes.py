"""Failure groups are resolved, muted, assigned and noted, and lists show only those of a state."""

from __future__ import annotations

import pytest

from broker.dead_letters import group_states
from broker.monitoring import audit
from broker.redis.client import Client
from broker.redis.clock import now_ms
from broker.redis.partitions import Partitions
from inspector.operations.filters import StateFilter
from inspector.operations.forget import forget_person
from inspector.operations.groups import group_changes
from inspector.operations.groups.failure_groups import assignees, list_groups
from inspector.operations.groups.group_changes import GroupChangeError, UnknownGroupError
from tests.broker.dead_letters.test_dead_letters import stored_letter
from tests.inspector.operations.test_forget import EMAIL, LENA, TERMS
from tests.inspector.stack import add_stored

LETTERS = [stored_letter(number, error_class=name) for number, name in enumerate(("Open", "Muted", "Resolved"))]
OPEN, MUTED, RESOLVED = (letter.letter.fingerprint for letter in LETTERS)


async def listed(partitions: Partitions, **wanted: str) -> set[str]:
    return {group.fingerprint for group in await list_groups(partitions, StateFilter(**wanted))}  # type: ignore[arg-type]


async def test_groups_are_listed_by_their_state_and_by_whom_they_are_assigned_to(
    redis: Client, partitions: Partitions
) -> None:
    await add_stored(redis, LETTERS)
    await group_changes.mute(partitions, MUTED, by="ann")
    await group_changes.assign(partitions, MUTED, "crm team", by="ann")
    await group_changes.resolve(partitions, RESOLVED, by="ann")
    assert await listed(partitions) == {OPEN, MUTED, RESOLVED}
    assert [await listed(partitions, state=state) for state in ("open", "muted", "resolved")] == [
        {OPEN},
        {MUTED},
        {RESOLVED},
    ]
    assert await listed(partitions, assigned_to="crm team") == {MUTED}
    assert await assignees(partitions) == {"crm team": 1}

    await group_changes.reopen(partitions, RESOLVED, by="bob")
    await group_changes.unmute(partitions, MUTED, by="bob")
    await group_changes.assign(partitions, MUTED, "", by="bob")
    assert await listed(partitions, state="open") == {OPEN, MUTED, RESOLVED}
    assert [(row.audit_entry.by, row.audit_entry.what) for row in await audit.read(redis)][:3] == [
        ("bob", "unassign"),
        ("bob", "unmute"),
        ("bob", "reopen"),
    ]
    # Its next letter is no news, as before it was resolved.
    await add_stored(redis, [stored_letter(9, error_class="Resolved")])
    assert RESOLVED not in (await _unreported(redis))


async def test_changes_that_cannot_be_made_say_why(redis: Client, partitions: Partitions) -> None:
    await add_stored(redis, LETTERS)
    for name in ("0123456789ab", "../audit", ""):
        with pytest.raises(UnknownGroupError, match="no such group"):
            await group_changes.resolve(partitions, name, by="ann")
    with pytest.raises(GroupChangeError, match="in the future"):
        await group_changes.mute(partitions, OPEN, by="ann", until_ms=await now_ms(redis) - 1)
    with pytest.raises(GroupChangeError, match="at most 2,000 characters"):
        await group_changes.note(partitions, OPEN, "x" * 2001, by="ann")
    with pytest.raises(GroupChangeError, match="at most 100 characters"):
        await group_changes.assign(partitions, OPEN, "x" * 101, by="ann")
    with pytest.raises(GroupChangeError, match="not to an address"):
        await group_changes.assign(partitions, OPEN, EMAIL, by="ann")
    assert not await group_states.read(redis)
    assert not await audit.read(redis)


async def test_a_person_is_forgotten_in_notes_on_groups(redis: Client, partitions: Partitions) -> None:
    await add_stored(redis, LETTERS[:1])
    await group_changes.note(partitions, OPEN, f"{EMAIL} has called twice", by="ann")

    done = await forget_person(partitions, LENA, TERMS, by="ann")

    assert done.notes == 1
    assert (await group_states.read(redis))[OPEN].note == "(forgotten) has called twice"


async def _unreported(redis: Client) -> set[str]:
    return {name.decode() for name in await redis.hkeys(redis.names.dead_unreported)}  # type: ignore[misc]
