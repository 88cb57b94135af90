"""Events in the API: what became of each, and of its notifications."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from broker.history.query import State
from broker.history.records import Kind
from broker.merged.away import Away
from inspector.api.operation import ApiRequest, Operation
from inspector.api.requests import Limit, Ms
from inspector.http.app_context import AppContext
from inspector.http.routing import ErrorAnswer
from inspector.operations.history.events import EventFilter, find_events
from inspector.operations.status import incomplete
from inspector.presentation.event_records import event_page_record

_Text = Annotated[str, Meta(max_length=500)]


class EventsQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query of a list of events. Without any field it selects all."""

    source: _Text = ""
    event: _Text = ""
    """Only events of this name."""

    rule: _Text = ""
    channel: _Text = ""
    state: State | None = None
    """Only events with a notification in this state."""

    since_ms: Ms = 0
    until_ms: Ms = 0
    """Only events that were recorded before this time; 0 for all."""

    search: _Text = ""
    """An id of the event, its customer, voucher or transaction, an e-mail address, or an idempotency key."""

    limit: Limit = 50
    cursor: Annotated[str, Meta(pattern="^([0-9]{1,15}-[0-9]{1,10}-[0-9]{1,6}-[0-9]{1,4})?$")] = ""
    """Start of the page: `cursor` of the previous answer."""


class EventAttemptRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """How an attempt to send a notification ended."""

    outcome: Kind
    at_ms: int
    took_ms: int
    status: int
    """The HTTP status of the answer; 0 without one."""

    text: str
    """The error, or the reason why it was skipped."""

    next_ms: int
    """When the next attempt is due; 0 without one."""

    dead_letter: str
    """The id of the dead letter that the notification became, or ""."""


class EventNotificationRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A notification that an event caused."""

    rule: str
    channel: str
    """The channel; "" where the event joined a digest of the rule."""

    key: str
    """The idempotency key, or its first 16 characters for an older event."""

    state: State
    attempts: list[EventAttemptRecord]


class EventRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An event with what became of it."""

    position: str
    at_ms: int
    """When it was recorded, by the clock of Redis."""

    received_at_ms: int
    source: str
    event: str
    id: str
    about: str
    """Another id of it: for most the customer's at the provider; of an older event the beginning of that."""

    states: list[State]
    events_in_digest: int
    """How many events a digest has; 0 for an event."""

    dead_letter: str
    """The id of the dead letter that the body became at intake, or ""."""

    notifications: list[EventNotificationRecord]


class EventsAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of events, newest first."""

    events: list[EventRecord]
    cursor: str
    """Start of the next page; "" on the last page."""

    searched_to_ms: int
    """Not 0 if the page ended early because its time was over: older events were not searched yet."""

    incomplete: str
    """Why the events of some partitions are missing; "" if all partitions answered."""


async def list_events(context: AppContext, request: ApiRequest) -> Any:
    """Events with their notifications and attempts, newest first, masked.

    Next page: the same query with `cursor`, which a page may also have if it has fewer events than its limit.
    """
    query, away = request.query, Away()
    criteria = {name: getattr(query, name) for name in EventFilter.__struct_fields__}
    try:
        page = await find_events(
            context.partitions, EventFilter(**criteria), limit=query.limit, cursor=query.cursor, away=away
        )
    except ValueError as error:
        return ErrorAnswer(400, f"{error}.")
    return event_page_record(page, masking=context.configured.masking) | {"incomplete": incomplete(away)}


EVENT_OPERATIONS = (
    Operation(
        name="listEvents",
        method="GET",
        path="/events",
        right="read",
        summary="List events and what became of them",
        handler=list_events,
        query=EventsQuery,
        answer=EventsAnswer,
    ),
)
