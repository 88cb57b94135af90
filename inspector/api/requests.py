"""Queries and bodies of API requests, as types: openapi.json is generated from them."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from broker.dead_letters import MAX_NOTE_CHARS
from broker.dead_letters.action import Verb
from broker.dead_letters.group_states import MAX_ASSIGNEE_CHARS
from inspector.operations import filters
from inspector.operations.verbs import VERBS_FOR_API

MAX_IDS = 10_000
_LATEST_MS = 2**53 - 1

Ms = Annotated[int, Meta(ge=0, le=_LATEST_MS)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Id = Annotated[str, Meta(max_length=100, examples=["000h8r3c2k9q4tz5w"])]


class Filter(filters.Filter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Selects dead letters that match every field that is set. Without any field it selects all."""


def filter_of(query: filters.GroupFilter) -> filters.Filter:
    """The filter in a query or a body, without the query's other fields."""
    names = (field.name for field in filters.fields(type(query)))
    return filters.Filter(**{name: getattr(query, name) for name in names})


class LettersQuery(Filter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query of a list of dead letters."""

    limit: Limit = 50
    cursor: Annotated[str, Meta(pattern="^([0-9]{1,15}-[0-9a-hjkmnp-tv-z]{17})?$")] = ""
    """Start of the page: `cursor` of the previous answer."""


class GroupsQuery(filters.StateFilter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query of a list of failure groups."""

    limit: Limit = 50


class MuteRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a failure group is muted."""

    until_ms: Ms = 0
    """When the mute ends; 0 for when the group is unmuted."""


class AssignRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom a failure group is assigned to."""

    to: Annotated[str, Meta(max_length=MAX_ASSIGNEE_CHARS)]
    """The name of a user or a team; "" for no one."""


class GroupNoteRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The note on a failure group. It replaces the one before."""

    note: Annotated[str, Meta(max_length=MAX_NOTE_CHARS)]
    """The text; "" for no note."""


class RevealQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query of one dead letter."""

    reveal: bool = False
    """Show personal data. Needs the right `reveal` and writes an audit entry."""


class ActionsQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query of a list of actions."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query of the audit log."""

    limit: Limit = 50
    before: Annotated[str, Meta(pattern=r"^([0-9]{1,15}-[0-9]{1,15}(-[0-9]{1,3})?)?$")] = ""
    """Start of the page: `before` of the previous answer."""


class EditRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The edited body, in one of the two fields."""

    body: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    """The edited body as text."""

    body_base64: (
        Annotated[str, Meta(min_length=4, pattern="^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
        | UnsetType
    ) = UNSET
    """The edited body as base64, for any bytes."""


class ActionRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A verb, and the dead letters it is for: either `ids` or `filter`."""

    verb: Annotated[Verb, Meta(description=VERBS_FOR_API)]

    ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_IDS)] | UnsetType = UNSET
    filter: Filter | UnsetType = UNSET
    """The dead letters that match now, without those that die later. `{}` selects every dead letter."""

    expected_count: Annotated[int, Meta(ge=0, le=_LATEST_MS)] | UnsetType = UNSET
    """Only with `filter`: begin only if exactly this many letters match. Otherwise 409 with the count."""

    until_ms: Ms | UnsetType = UNSET
    """Only with `filter`: leave out letters that died later. Send the `until_ms` of the list that was reviewed."""

    rate_per_s: Annotated[float, Meta(ge=0.01, le=100_000)] | UnsetType = UNSET
    """Most letters per second. Without it there is no limit."""

    note: Annotated[str, Meta(min_length=1, max_length=MAX_NOTE_CHARS)] | UnsetType = UNSET
    """Text of the note. Required for `annotate`, not allowed for other verbs."""
