"""Actions by HTTP: begun, watched, stopped, resumed. The inspector's process carries them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import hdrs
from msgspec import UNSET, UnsetType, structs

from inspector import operations
from inspector.api import requests, responses
from inspector.api.operation import BASE, Asked, Nothing, Operation, as_json
from inspector.http.app_context import AppContext
from inspector.http.routing import ErrorAnswer
from inspector.operations import DryRunError, Selection
from inspector.presentation.serializers import action_record

_NO_ACTION = ErrorAnswer(404, "There is no such action (any more): the last 500 are kept.")


async def begin(context: AppContext, asked: Asked) -> Any:
    """Begin an action with many dead letters; it goes on by itself. Location is where it can be watched."""
    order: requests.ActionOrder = asked.body
    fault = _fault(order)
    if fault:
        return ErrorAnswer(400, fault)
    chosen = await _chosen(context, order)
    if isinstance(chosen, Selection) and order.expected_count not in (UNSET, chosen.count):
        told = f"The filter selects {chosen.count} by now, and not {order.expected_count}: nothing was done."
        return as_json({"error": told, "count": chosen.count}, 409)
    try:
        action = await context.runner.begin(
            order.verb,
            chosen,
            by=asked.principal.name,
            rate_per_s=order.rate_per_s or 0.0,
            note=order.note or "",
        )
    except DryRunError:
        return ErrorAnswer(503, "This inspector has no rules for a dry run.")
    answer = as_json(await _record(context, action), 201)
    answer.headers[hdrs.LOCATION] = f"{BASE}/actions/{action}"
    return answer


async def recent(context: AppContext, asked: Asked) -> Any:
    """The last actions, newest first."""
    found = await operations.actions(context.redis, count=asked.query.limit)
    records = [action_record(action, masking=context.configured.masking) for action in found]
    return {"actions": [{name: value for name, value in one.items() if name != "ids"} for one in records]}


async def show(context: AppContext, asked: Asked) -> Any:
    """How far it has come."""
    return await _record(context, asked.name) or _NO_ACTION


async def stop(context: AppContext, asked: Asked) -> Any:
    """Stop it before its next step. What is done stays done."""
    stopped = (
        await operations.stop(context.redis, asked.name, by=asked.principal.name)
        if await _is(context, asked)
        else None
    )
    return await _changed(context, asked, stopped, "It is not going on, so there is nothing to stop.")


async def resume(context: AppContext, asked: Asked) -> Any:
    """Go on with one that was stopped or interrupted."""
    resumed = (
        await context.runner.resume(asked.name, by=asked.principal.name) if await _is(context, asked) else None
    )
    return await _changed(context, asked, resumed, "It is done or going on, so there is nothing to resume.")


def _fault(order: requests.ActionOrder) -> str:
    if (order.ids is UNSET) == (order.filter is UNSET):
        return "Give ids or filter, one of the two. A filter of {} is every dead letter."
    if order.ids is not UNSET and (order.expected_count is not UNSET or order.until_ms is not UNSET):
        return "expected_count and until_ms go with a filter."
    if (order.verb == "annotate") != (order.note is not UNSET):
        return "annotate needs a note, and nothing else takes one."
    return ""


async def _chosen(context: AppContext, order: requests.ActionOrder) -> Selection | Sequence[str]:
    if isinstance(order.filter, UnsetType):
        return order.ids or []
    wanted = requests.filter_of(order.filter)
    ends = [until_ms for until_ms in (wanted.until_ms, order.until_ms) if until_ms]
    return await operations.select(context.redis, structs.replace(wanted, until_ms=min(ends, default=0)))


async def _is(context: AppContext, asked: Asked) -> bool:
    return await operations.action(context.redis, asked.name) is not None


async def _changed(context: AppContext, asked: Asked, changed: bool | None, fault: str) -> Any:
    if changed is None:
        return _NO_ACTION
    return await _record(context, asked.name) if changed else ErrorAnswer(409, fault)


async def _record(context: AppContext, action: str) -> Mapping[str, Any] | None:
    found = await operations.action(context.redis, action)
    return action_record(found, masking=context.configured.masking) if found else None


ACTING = (
    Operation(
        name="beginAction",
        method="POST",
        path="/actions",
        right="operate",
        summary="Replay, discard, annotate or dry-run many",
        does=begin,
        body=requests.ActionOrder,
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
        does=recent,
        query=requests.ActionsQuery,
        answer=responses.ActionsAnswer,
    ),
    Operation(
        name="getAction",
        method="GET",
        path="/actions/{id}",
        right="read",
        summary="Show one action",
        does=show,
        answer=responses.ActionRecord,
        errors=(404,),
    ),
    *(
        Operation(
            name=f"{turn}Action",
            method="POST",
            path=f"/actions/{{id}}/{turn}",
            right="operate",
            summary=f"{turn.capitalize()} an action",
            does=does,
            body=Nothing,
            answer=responses.ActionRecord,
            errors=(404, 409),
        )
        for turn, does in (("stop", stop), ("resume", resume))
    ),
)
