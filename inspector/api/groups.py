"""Failure groups in the API: list, show, and what people decide about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from broker.merged.away import Away
from broker.merged.group_states import read_states
from inspector.api import dead_letter_responses, requests
from inspector.api.operation import ApiRequest, NoFields, Operation
from inspector.http.app_context import AppContext
from inspector.http.routing import ErrorAnswer
from inspector.operations.groups import group_changes
from inspector.operations.groups.failure_groups import UNDECIDED, find_group, list_groups
from inspector.operations.groups.group_changes import GroupChangeError, UnknownGroupError
from inspector.operations.status import incomplete
from inspector.presentation.serializers import group_record, group_state_record

_NO_GROUP = ErrorAnswer(404, "There is no such group: no dead letter is in it.")


async def groups(context: AppContext, request: ApiRequest) -> Any:
    """Dead letters in groups with the same cause, most recent first, and what people decided about them."""
    away: Away = {}
    failure_groups = await list_groups(context.partitions, request.query, limit=request.query.limit, away=away)
    now_ms, masking = context.partitions.control.clock.now_ms(), context.configured.masking
    records = [group_record(group, now_ms=now_ms, masking=masking) for group in failure_groups]
    return {"groups": records, "incomplete": incomplete(away)}


async def show(context: AppContext, request: ApiRequest) -> Any:
    """A failure group, and what people decided about it."""
    fingerprint, away = request.path_value, Away()
    group = await find_group(context.partitions, fingerprint, away=away)
    states = await read_states(context.partitions, [fingerprint], away=away)
    if group is None and fingerprint not in states:
        return _NO_GROUP
    now_ms, masking = context.partitions.control.clock.now_ms(), context.configured.masking
    state = states.get(fingerprint, UNDECIDED)
    return {
        "fingerprint": fingerprint,
        "state": group_state_record(state, now_ms=now_ms, masking=masking),
        "group": group_record(group, now_ms=now_ms, masking=masking) if group else None,
        "incomplete": incomplete(away),
    }


async def resolve(context: AppContext, request: ApiRequest) -> Any:
    """Mark a group as resolved. Its next dead letter opens it again and raises the alert of a new group."""
    return await _change(context, request, group_changes.resolve)


async def reopen(context: AppContext, request: ApiRequest) -> Any:
    """Mark a resolved group as open again. A group that is open stays as it is."""
    return await _change(context, request, group_changes.reopen)


async def mute(context: AppContext, request: ApiRequest) -> Any:
    """Let a group cause no alerts, until a time or until it is unmuted."""
    return await _change(context, request, group_changes.mute, until_ms=request.body.until_ms)


async def unmute(context: AppContext, request: ApiRequest) -> Any:
    """Let a group cause alerts again. A group that is not muted stays as it is."""
    return await _change(context, request, group_changes.unmute)


async def assign(context: AppContext, request: ApiRequest) -> Any:
    """Assign a group to a user or a team, or to no one."""
    return await _change(context, request, group_changes.assign, to=request.body.to)


async def note(context: AppContext, request: ApiRequest) -> Any:
    """Replace the note on a group, or remove it."""
    return await _change(context, request, group_changes.note, text=request.body.note)


async def _change(
    context: AppContext, request: ApiRequest, change: Callable[..., Awaitable[bool]], **arguments: Any
) -> Any:
    fingerprint = request.path_value
    try:
        await change(context.partitions, fingerprint, by=request.principal.name, **arguments)
    except UnknownGroupError:
        return _NO_GROUP
    except GroupChangeError as error:
        return ErrorAnswer(409, f"This was not changed: {error}.")
    state = (await read_states(context.partitions, [fingerprint])).get(fingerprint, UNDECIDED)
    now_ms = context.partitions.control.clock.now_ms()
    return group_state_record(state, now_ms=now_ms, masking=context.configured.masking)


def _changing(
    verb: str,
    summary: str,
    handler: Callable[[AppContext, ApiRequest], Awaitable[Any]],
    body: type[Struct] = NoFields,
) -> Operation:
    return Operation(
        name=f"{verb}Group",
        method="POST",
        path=f"/dead/groups/{{fingerprint}}/{verb}",
        right="operate",
        summary=summary,
        handler=handler,
        body=body,
        answer=dead_letter_responses.GroupStateRecord,
        errors=(404, 409),
    )


GROUP_OPERATIONS = (
    Operation(
        name="listGroups",
        method="GET",
        path="/dead/groups",
        right="read",
        summary="List failure groups",
        handler=groups,
        query=requests.GroupsQuery,
        answer=dead_letter_responses.GroupsAnswer,
    ),
    Operation(
        name="getGroup",
        method="GET",
        path="/dead/groups/{fingerprint}",
        right="read",
        summary="Show a failure group",
        handler=show,
        answer=dead_letter_responses.GroupAnswer,
        errors=(404,),
    ),
    _changing("resolve", "Resolve a failure group", resolve),
    _changing("reopen", "Open a resolved failure group again", reopen),
    _changing("mute", "Mute a failure group", mute, requests.MuteRequest),
    _changing("unmute", "Unmute a failure group", unmute),
    _changing("assign", "Assign a failure group", assign, requests.AssignRequest),
    _changing("note", "Note something on a failure group", note, requests.GroupNoteRequest),
)
