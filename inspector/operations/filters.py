"""The filter of dead letters, and the texts and rules for each of its fields.

A field is declared once, in `Filter`. Its annotation drives the options of the command line, the parameters of the
HTTP API, the form on the pages, the search and the description in sentences. To add a field, add it there; a field
with `is_dimension=True` needs a field of the same name in broker.dead_letters.Dimensions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Literal

from msgspec import Meta, Struct

from broker.dead_letters import Dimensions
from broker.dead_letters.group_states import GroupState
from inspector.operations.filter_fields import FilterField, declared_fields

MAX_CHARS = 500
"""The longest text in a filter. No name in Hookline is longer."""

_MAX_ATTEMPTS = 1_000_000
_MAX_MS = 2**53 - 1  # the largest integer that JavaScript reads exactly
_LATEST_MS = 253_402_300_799_000  # the end of the year 9999, beyond which datetime fails

_HIDDEN = "***"


class GroupFilter(Struct, frozen=True, kw_only=True):
    """Selects dead letters that match every field that is set. Without any field it selects all.

    It has all fields that failure groups can be filtered by.
    """

    source: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Name of the source that sent the webhook."),
        FilterField(label="Source", phrase="of source {}", is_dimension=True),
    ] = ""
    stage: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Stage that failed: `intake` or `notify`."),
        FilterField(
            label="Died at",
            phrase="that died at {}",
            help="Stage that failed.",
            values=("intake", "notify"),
            is_dimension=True,
        ),
    ] = ""
    reason: Annotated[
        str,
        Meta(
            max_length=MAX_CHARS,
            description="Why Hookline gave up: `undecodable`, `stale`, `poison`, `unreadable`, `permanent`, "
            "`exhausted`, `unknown channel` and others.",
        ),
        FilterField(
            label="Reason",
            phrase="with reason {}",
            help="Why Hookline gave up: undecodable, poison, permanent, exhausted and others.",
            is_dimension=True,
            form="first",
        ),
    ] = ""
    error_class: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Class of the last error, as a list of dead letters shows it."),
        FilterField(
            label="Error class", phrase="with error {}", help="Class of the last error.", is_dimension=True
        ),
    ] = ""
    channel: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Name of the channel that the notification was for."),
        FilterField(label="Channel", phrase="for channel {}", is_dimension=True, form="first"),
    ] = ""
    rule: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Name of the rule that created the notification."),
        FilterField(label="Rule", phrase="of rule {}", is_dimension=True),
    ] = ""
    event: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Event name, for example `customer.created`."),
        FilterField(
            label="Event",
            phrase="of event {}",
            help="Event name, for example customer.created.",
            is_dimension=True,
            form="first",
        ),
    ] = ""
    fingerprint: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Fingerprint of the failure group."),
        FilterField(
            label="Failure group",
            phrase="of group {}",
            help="Failure group, as hookline dead groups lists it.",
            option="group",
            metavar="FINGERPRINT",
            is_dimension=True,
            form="own",
        ),
    ] = ""
    min_attempts: Annotated[
        int,
        Meta(ge=0, le=_MAX_ATTEMPTS, description="Lowest number of attempts."),
        FilterField(label="Attempts, at least", phrase="with at least {} attempts"),
    ] = 0
    max_attempts: Annotated[
        int,
        Meta(ge=-1, le=_MAX_ATTEMPTS, description="Highest number of attempts; -1 for no limit."),
        FilterField(
            label="Attempts, at most", phrase="with at most {} attempts", help="Highest number of attempts."
        ),
    ] = -1
    since_ms: Annotated[
        int,
        Meta(ge=0, le=_MAX_MS, description="Died at this time or later, in ms since 1970; 0 for no limit."),
        FilterField(
            label="Died since",
            phrase="since {}",
            help="Died at this time or later: 2h (ago), 3d, or 2026-01-31T12:00 (UTC).",
            metavar="TIME",
        ),
    ] = 0
    until_ms: Annotated[
        int,
        Meta(ge=0, le=_MAX_MS, description="Died at this time or earlier, in ms since 1970; 0 for no limit."),
        FilterField(
            label="Died until",
            phrase="until {}",
            help="Died at this time or earlier; written as for --since.",
            metavar="TIME",
            is_upper_bound=True,
        ),
    ] = 0

    def matches(self, dimensions: Dimensions) -> bool:
        """Return whether dead letters with these dimensions match. Times and search are not in the dimensions."""
        return (
            all(getattr(self, name) in ("", getattr(dimensions, name)) for name in dimension_names(type(self)))
            and self.min_attempts <= dimensions.attempts
            and (self.max_attempts < 0 or dimensions.attempts <= self.max_attempts)
        )

    def includes(self, at_ms: int) -> bool:
        """Return whether the filter's time range includes a time."""
        return self.since_ms <= at_ms and (not self.until_ms or at_ms <= self.until_ms)

    def criteria(self) -> dict[str, str | int]:
        """The fields that are set, by name."""
        values = ((field.name, getattr(self, field.name), field.default) for field in fields(type(self)))
        return {name: value for name, value, default in values if value != default}


class StateFilter(GroupFilter, frozen=True, kw_only=True):
    """Selects failure groups by their letters, and by what people decided about them."""

    state: Annotated[
        Literal["", "open", "muted", "resolved"],
        Meta(description="State of the group: `open`, `muted` or `resolved`."),
        FilterField(
            label="State",
            phrase="in groups that are {}",
            help="State of the group.",
            values=("open", "muted", "resolved"),
            form="first",
        ),
    ] = ""
    assigned_to: Annotated[
        str,
        Meta(max_length=MAX_CHARS, description="Whom the group is assigned to."),
        FilterField(label="Assigned to", phrase="in groups assigned to {}", metavar="NAME"),
    ] = ""

    def allows(self, state: GroupState, now_ms: int) -> bool:
        """Return whether groups with these decisions match."""
        return self.state in ("", state.name(now_ms)) and self.assigned_to in ("", state.assigned_to)


class Filter(GroupFilter, frozen=True, kw_only=True):
    """Selects dead letters that match every field that is set. Without any field it selects all."""

    search: Annotated[
        str,
        Meta(
            max_length=MAX_CHARS,
            description="An id of a dead letter or in its body, an e-mail address, a phone number or a voucher "
            "code. Case does not matter; the whole value must match.",
        ),
        FilterField(
            label="Search",
            phrase="found by {}",
            help="An id, e-mail address, phone number or voucher code. Case does not matter; the whole value must "
            "match.",
            metavar="TEXT",
            is_personal=True,
            form="own",
        ),
    ] = ""


@cache
def fields(filter_class: type[Struct] = Filter) -> tuple[FilterField, ...]:
    """All fields of a filter, in the order of their declaration."""
    return declared_fields(filter_class)


@cache
def dimension_names(filter_class: type[GroupFilter] = Filter) -> tuple[str, ...]:
    """Names of the fields that must be equal to a dimension of the dead letter."""
    return tuple(field.name for field in fields(filter_class) if field.is_dimension)


def describe(letter_filter: GroupFilter, *, hide_personal: bool = False) -> str:
    """`all dead letters`, or `dead letters of source voucherify, since 2026-01-31 12:00:00 UTC`.

    `hide_personal` masks what was searched for. Set it for everyone except the user who searched.
    """
    criteria = letter_filter.criteria()
    phrases = [
        field.phrase.format(_value(field, criteria[field.name], hide_personal=hide_personal))
        for field in fields(type(letter_filter))
        if field.name in criteria
    ]
    return f"dead letters {', '.join(phrases)}" if phrases else "all dead letters"


def describe_for_audit(letter_filter: GroupFilter) -> str:
    """A filter in an audit entry: `source=voucherify, search=***`, or `all`. Personal data is masked."""
    criteria = letter_filter.criteria()
    return (
        ", ".join(
            f"{field.name}={_HIDDEN if field.is_personal else criteria[field.name]}"
            for field in fields(type(letter_filter))
            if field.name in criteria
        )
        or "all"
    )


def _value(field: FilterField, value: str | int, *, hide_personal: bool) -> str:
    if field.is_personal and hide_personal:
        return _HIDDEN
    if field.type == "time":
        return datetime.fromtimestamp(min(int(value), _LATEST_MS) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return str(value)
