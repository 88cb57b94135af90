"""The decisions of people about a failure group, in words for terminals."""

from __future__ import annotations

from broker.dead_letters.group_states import GroupState
from inspector.formatting import moment, one_line


def group_state_parts(state: GroupState, now_ms: int) -> list[str]:
    """The decisions, one part each, without the note; [] for none. now_ms: by the clock of Redis."""
    parts = []
    if state.resolved_ms:
        parts.append(f"resolved {moment(state.resolved_ms)} by {one_line(state.resolved_by)}")
    elif state.returned_ms:
        parts.append(f"returned {moment(state.returned_ms)}, after {one_line(state.resolved_by)} had resolved it")
    if state.is_muted(now_ms):
        until = f"until {moment(state.muted_until_ms)} " if state.muted_until_ms else ""
        parts.append(f"muted {until}by {one_line(state.muted_by)}")
    if state.assigned_to:
        parts.append(f"assigned to {one_line(state.assigned_to)}")
    return parts
