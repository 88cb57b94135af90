"""What is asked of the API: queries and bodies."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from broker.dead_letters import MAX_NOTE_CHARS
from broker.dead_letters.stored_actions import Verb
from inspector.operations import Filter

MAX_IDS = 10_000
_LATEST_MS = 2**53 - 1

Text = Annotated[str, Meta(max_length=500)]
Ms = Annotated[int, Meta(ge=0, le=_LATEST_MS)]
Limit = Annotated[int, Meta(ge=1, le=1000)]
Id = Annotated[str, Meta(max_length=100, examples=["000h8r3c2k9q4tz5w"])]


class Wanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which dead letters: those that match every field given; without any, all."""

    source: Text = ""
    stage: Text = ""
    """`intake` or `notify`."""

    reason: Text = ""
    """`undecodable`, `stale`, `poison`, `unreadable`, `permanent`, `exhausted`, `unknown channel` ..."""

    error_class: Text = ""
    channel: Text = ""
    rule: Text = ""
    event: Text = ""
    fingerprint: Text = ""
    """The group that it belongs to."""

    min_attempts: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    max_attempts: Annotated[int, Meta(ge=-1, le=1_000_000)] = -1
    """-1 for no bound."""

    since_ms: Ms = 0
    """When they died, as ms since 1970; both ends count, 0 for none."""

    until_ms: Ms = 0


class Sought(Wanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which dead letters: those that match every field given; without any, all."""

    search: Text = ""
    """An id of a letter or in its body, an e-mail address, a phone number, a voucher's code; in any case."""


def filter_of(asked: Wanted) -> Filter:
    """The same for operations."""
    known = asked.__struct_fields__
    return Filter(**{name: getattr(asked, name) for name in Filter.__struct_fields__ if name in known})


class LettersQuery(Sought, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a list of dead letters."""

    limit: Limit = 50
    cursor: Annotated[str, Meta(pattern="^([0-9]{1,15}-[0-9a-hjkmnp-tv-z]{17})?$")] = ""
    """Where the last page ended: `cursor` of its answer."""


class GroupsQuery(Wanted, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a list of groups."""

    limit: Limit = 50


class RevealQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one dead letter."""

    reveal: bool = False
    """Show personal data. Needs the right to, and stands in the audit log."""


class ActionsQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of a list of actions."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of the audit log."""

    limit: Limit = 50
    before: Annotated[str, Meta(pattern=r"^([0-9]{1,15}-[0-9]{1,15})?$")] = ""
    """Where the last page ended: `before` of its answer."""


class EditOrder(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The other body: one of the two."""

    body: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    """As text."""

    body_base64: (
        Annotated[str, Meta(min_length=4, pattern="^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")]
        | UnsetType
    ) = UNSET
    """Any bytes."""


class ActionOrder(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be done, and to which dead letters: `ids` or `filter`, one of the two."""

    verb: Verb
    """`replay` hands them back; `discard` throws them away; `annotate` adds `note`; `dry_run` is a dry run: it
    tells what would become of each if it were replayed now, and changes nothing."""

    ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_IDS)] | UnsetType = UNSET
    filter: Sought | UnsetType = UNSET
    """Those that match by now, and none that dies later. `{}` is every dead letter."""

    expected_count: Annotated[int, Meta(ge=0, le=_LATEST_MS)] | UnsetType = UNSET
    """With `filter`: do it only if exactly so many match; else 409 tells how many do."""

    until_ms: Ms | UnsetType = UNSET
    """With `filter`: only what died until then; `until_ms` of the list that was looked at."""

    rate_per_s: Annotated[float, Meta(ge=0.01, le=100_000)] | UnsetType = UNSET
    """At most so many a second; without it as fast as it goes."""

    note: Annotated[str, Meta(min_length=1, max_length=MAX_NOTE_CHARS)] | UnsetType = UNSET
    """What is noted on each; `annotate` needs it, and nothing else takes it."""
