"""Bulk actions in the API: begin, list, show, stop, resume. The inspector's process runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import hdrs
from msgspec import UNSET, UnsetType, structs

from broker.merged import actions as all_actions
from broker.merged.away import Away, because
from inspector.api import requests, responses
from inspector.api.operation import BASE, ApiRequest, NoFields, Operation, as_json
from inspector.http.app_context import AppContext
from inspector.http.routing import ErrorAnswer
from inspector.operations import bulk_actions
from inspector.operations.bulk_actions import DryRunError, Selection
from inspector.operations.status import incomplete
from inspector.presentation.serializers import action_record

_NO_ACTION = ErrorAnswer(404, "There is no such action. The last 500 are kept.")


async def begin(context: AppContext, request: ApiRequest) -> Any:
    """Begin an action on many dead letters. It runs in the background; its progress is at Location."""
    body: requests.ActionRequest = request.body
    fault = _fault(body)
    if fault:
        return ErrorAnswer(400, fault)
    away: Away = {}
    target = await _target(context, body, away)
    if away and isinstance(target, Selection) and not target.count:
        return ErrorAnswer(503, f"No letter is selected: {because(away)}.")
    if isinstance(target, Selection) and body.expected_count not in (UNSET, target.count):
        error = f"The filter selects {target.count} letters now, not {body.expected_count}. Nothing was done."
        return as_json({"error": error, "count": target.count}, 409)
    try:
        action_id = await context.runner.begin(
            body.verb,
            target,
            by=request.principal.name,
            rate_per_s=body.rate_per_s or 0.0,
            note=body.note or "",
        )
    except DryRunError:
        return ErrorAnswer(503, "This inspector has no rules, so it cannot do a dry run.")
    record = await _record(context, action_id)
    answer = as_json({**record, "incomplete": incomplete(away)} if record and away else record, 201)
    answer.headers[hdrs.LOCATION] = f"{BASE}/actions/{action_id}"
    return answer


async def list_actions(context: AppContext, request: ApiRequest) -> Any:
    """The last actions, newest first."""
    away: Away = {}
    actions = await all_actions.recent(context.partitions, count=request.query.limit, away=away)
    records = [action_record(action, masking=context.configured.masking) for action in actions]
    # An action may have 10,000 ids, so a list leaves them out.
    short = [{name: value for name, value in record.items() if name != "ids"} for record in records]
    return {"actions": short, "incomplete": incomplete(away)}


async def show(context: AppContext, request: ApiRequest) -> Any:
    """The action and its progress."""
    return await _record(context, request.path_value) or _NO_ACTION


async def stop(context: AppContext, request: ApiRequest) -> Any:
    """Stop the action before its next step. Completed work is not undone."""
    if not await _exists(context, request):
        return _NO_ACTION
    if not await all_actions.stop(context.partitions, request.path_value, by=request.principal.name):
        return ErrorAnswer(409, "The action is not running, so it cannot be stopped.")
    return await _record(context, request.path_value)


async def resume(context: AppContext, request: ApiRequest) -> Any:
    """Continue an action that was stopped or interrupted."""
    if not await _exists(context, request):
        return _NO_ACTION
    if not await context.runner.resume(request.path_value, by=request.principal.name):
        return ErrorAnswer(409, "The action is done or running, so it cannot be resumed.")
    return await _record(context, request.path_value)


def _fault(body: requests.ActionRequest) -> str:
    """The mistake in a request that its types do not rule out; "" if there is no mistake."""
    if (body.ids is UNSET) == (body.filter is UNSET):
        return "Send either ids or filter. The filter {} selects every dead letter."
    if body.ids is not UNSET and (body.expected_count is not UNSET or body.until_ms is not UNSET):
        return "expected_count and until_ms are only allowed with a filter."
    if (body.verb == "annotate") != (body.note is not UNSET):
        return "annotate needs a note, and no other verb takes one."
    return ""


async def _target(context: AppContext, body: requests.ActionRequest, away: Away) -> Selection | Sequence[str]:
    if isinstance(body.filter, UnsetType):
        return body.ids or []
    letter_filter = requests.filter_of(body.filter)
    limits = [until_ms for until_ms in (letter_filter.until_ms, body.until_ms) if until_ms]
    return await bulk_actions.select(
        context.partitions, structs.replace(letter_filter, until_ms=min(limits, default=0)), away=away
    )


async def _exists(context: AppContext, request: ApiRequest) -> bool:
    return await all_actions.read(context.partitions, request.path_value, away={}) is not None


async def _record(context: AppContext, action_id: str) -> Mapping[str, Any] | None:
    away: Away = {}
    action = await all_actions.read(context.partitions, action_id, away=away)
    if action is None:
        return None
    return {**action_record(action, masking=context.configured.masking), "incomplete": incomplete(away)}


ACTION_OPERATIONS = (
    Operation(
        name="beginAction",
        method="POST",
        path="/actions",
        right="operate",
        summary="Begin an action on many dead letters",
        handler=begin,
        body=requests.ActionRequest,
        answer=responses.ActionRecord,
        status=201,
        errors=(409,),
    ),
    Operation(
        name="listActions",
        method="GET",
        path="/actions",
        right="read",
        summary="List actions",
        handler=list_actions,
        query=requests.ActionsQuery,
        answer=responses.ActionsAnswer,
    ),
    Operation(
        name="getAction",
        method="GET",
        path="/actions/{id}",
        right="read",
        summary="Show an action",
        handler=show,
        answer=responses.ActionRecord,
        errors=(404,),
    ),
    Operation(
        name="stopAction",
        method="POST",
        path="/actions/{id}/stop",
        right="operate",
        summary="Stop an action",
        handler=stop,
        body=NoFields,
        answer=responses.ActionRecord,
        errors=(404, 409),
    ),
    Operation(
        name="resumeAction",
        method="POST",
        path="/actions/{id}/resume",
        right="operate",
        summary="Resume an action",
        handler=resume,
        body=NoFields,
        answer=responses.ActionRecord,
        errors=(404, 409),
    ),
)
