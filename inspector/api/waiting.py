"""Waiting notifications in the API."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from broker.merged.away import Away
from broker.queue.waiting.cause import Cause
from broker.waiting.notification import PLACE_PATTERN, POSITION_PATTERN
from inspector.api.operation import ApiRequest, Operation
from inspector.api.requests import Limit
from inspector.http.app_context import AppContext
from inspector.http.routing import ErrorAnswer
from inspector.operations.status import incomplete
from inspector.operations.waiting.change import MAX_PLACES, Outcome, Verb, change, parse_places
from inspector.operations.waiting.find import WaitingFilter, find_waiting
from inspector.presentation.waiting_records import changed_record, waiting_page_record

_Text = Annotated[str, Meta(max_length=500)]


class WaitingQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query of a list of waiting notifications. Without any field it selects all."""

    cause: Cause | None = None
    """Only those that wait for this."""

    channel: _Text = ""
    rule: _Text = ""
    source: _Text = ""
    search: _Text = ""
    """An id of the event, its customer, voucher or transaction, an e-mail address, or an idempotency key."""

    limit: Limit = 50
    cursor: Annotated[str, Meta(pattern=f"^({POSITION_PATTERN})?$")] = ""
    """Start of the page: `cursor` of the previous answer."""


class WaitingRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A notification that waits, or a digest whose window has not ended."""

    id: str
    """The place in which it waits. Another attempt has another id."""

    cause: Cause
    due_ms: int
    """When it is due; for `paused` and `open` since when it is held."""

    channels: list[str]
    """The channel, or the channels of a digest."""

    rule: str
    source: str
    event: str
    """The name of the event; of the first one for a digest."""

    key: str
    """The idempotency key; that of the first event for a digest."""

    received_at_ms: int
    attempt: int
    """The number of its next attempt, 1 for the first; 0 if this version cannot read the notification."""

    error: str
    """Why the last attempt failed; "" without one."""

    events_in_digest: int
    """How many events a digest has; 0 for others."""

    is_running: bool
    """True if a worker has it now."""


class WaitingAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of waiting notifications, those that are due first at the beginning."""

    notifications: list[WaitingRecord]
    cursor: str
    """Start of the next page; "" on the last page."""

    searched_to_ms: int
    """Not 0 if the page ended early because its time was over: what is due later was not searched yet."""

    incomplete: str
    """Why the notifications of some partitions are missing; "" if all partitions answered."""


async def list_waiting(context: AppContext, request: ApiRequest) -> Any:
    """Notifications that wait, are held or will be tried again, masked. Those that are due first come first.

    Next page: the same query with `cursor`. A page may have one even if it has fewer notifications than its limit.
    """
    query, away = request.query, Away()
    criteria = {name: getattr(query, name) for name in WaitingFilter.__struct_fields__}
    try:
        page = await find_waiting(
            context.partitions,
            WaitingFilter(**criteria),
            context.configured.sources,
            limit=query.limit,
            cursor=query.cursor,
            away=away,
        )
    except ValueError as error:
        return ErrorAnswer(400, f"{error}.")
    return waiting_page_record(page, masking=context.configured.masking) | {"incomplete": incomplete(away)}


class WaitingIds(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The notifications to change."""

    ids: Annotated[
        list[Annotated[str, Meta(pattern=f"^{PLACE_PATTERN}$")]], Meta(min_length=1, max_length=MAX_PLACES)
    ]
    """Ids from the list of waiting notifications."""


class ChangedRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The result for one notification."""

    id: str
    outcome: Outcome
    """`done`, or why it was not changed."""

    text: str


class ChangedAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """The results for all notifications, in the order of their ids."""

    results: list[ChangedRecord]


async def send_now(context: AppContext, request: ApiRequest) -> Any:
    """Make notifications due now that wait for another attempt, quiet hours or a slot of their channel.

    It counts as the attempt that was due later. Quiet hours do not apply to it, rate limits do.
    """
    return await _change(context, request, "send_now")


async def cancel(context: AppContext, request: ApiRequest) -> Any:
    """Take notifications out, so that they are not sent. They count as skipped. This cannot be undone."""
    return await _change(context, request, "cancel")


async def _change(context: AppContext, request: ApiRequest, verb: Verb) -> Any:
    try:
        places = parse_places(request.body.ids)
    except ValueError as error:
        return ErrorAnswer(400, f"{error}.")
    results = await change(
        context.partitions,
        verb,
        places,
        by=request.principal.name,
        writes_history=context.configured.writes_history,
    )
    return {"results": [changed_record(result) for result in results]}


WAITING_OPERATIONS = (
    Operation(
        name="listWaiting",
        method="GET",
        path="/waiting",
        right="read",
        summary="List the notifications that wait",
        handler=list_waiting,
        query=WaitingQuery,
        answer=WaitingAnswer,
    ),
    Operation(
        name="sendWaitingNow",
        method="POST",
        path="/waiting/send-now",
        right="operate",
        summary="Send waiting notifications now",
        handler=send_now,
        body=WaitingIds,
        answer=ChangedAnswer,
    ),
    Operation(
        name="cancelWaiting",
        method="POST",
        path="/waiting/cancel",
        right="operate",
        summary="Cancel waiting notifications",
        handler=cancel,
        body=WaitingIds,
        answer=ChangedAnswer,
    ),
)
