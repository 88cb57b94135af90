"""Answers of the API about dead letters, as types: see responses.py. Times are in ms since 1970."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from broker.dead_letters import DeadLetter


class AttemptRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An attempt to send a notification."""

    at_ms: int
    took_ms: int
    outcome: str
    error: str
    answer: str


class NoteRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A note that a user added."""

    at_ms: int
    by: str
    text: str


class LetterRecord(DeadLetter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dead letter without its body. Personal data in its texts is masked."""

    attempts: tuple[AttemptRecord, ...]  # type: ignore[assignment]


class ListedLetterRecord(LetterRecord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dead letter in a list."""

    cursor: str
    """Start of the page after this letter."""


class StoredLetterRecord(LetterRecord, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A dead letter with its body. Personal data is masked unless revealed."""

    notes: list[NoteRecord]
    body_bytes: int
    body: Any
    """The body, if it is JSON, or the parameters of a form; otherwise null."""

    body_base64: str = ""
    """The exact bytes, only if revealed."""


class LettersAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A page of dead letters, newest first."""

    letters: list[ListedLetterRecord]
    cursor: str
    """Start of the next page; "" on the last page."""

    count: int
    """How many dead letters match in total."""

    until_ms: int
    """When they were counted, by the clock of Redis. Send it as `until_ms` of an action on these letters."""

    incomplete: str
    """Why the part of some partitions is missing; "" if all partitions answered."""


class ChoicesAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """For each field the values that exist, and how many dead letters have each."""

    choices: dict[str, dict[str, int]]
    incomplete: str
    """Why the part of some partitions is missing; "" if all partitions answered."""


class GroupStateRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The decisions of people about a failure group. Times are 0, and names "", for what is not decided."""

    name: Literal["open", "muted", "resolved"]
    """The state in one word. A group that is resolved and muted counts as resolved."""

    resolved_ms: int
    """When it was resolved. A new dead letter opens it again."""

    resolved_by: str
    """The user who resolved it last, also if it has returned since then."""

    returned_ms: int
    """When it was found to have new dead letters after it was resolved."""

    muted_ms: int
    muted_until_ms: int
    """When the mute ends by itself; 0 if it does not."""

    muted_by: str
    assigned_ms: int
    assigned_to: str
    assigned_by: str
    noted_ms: int
    note: str
    """Personal data in it is masked."""

    noted_by: str


class GroupRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Dead letters with the same cause."""

    fingerprint: str
    count: int
    first_seen_ms: int
    last_seen_ms: int
    last_24_hours: Annotated[list[int], Meta(min_length=24, max_length=24)]
    """How many letters died in each hour; the current hour is last."""

    sample: LetterRecord
    """The newest letter of the group."""

    state: GroupStateRecord
    """The decisions of people about the group."""


class GroupAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """One failure group, also if it has no letters any more."""

    fingerprint: str
    state: GroupStateRecord
    group: GroupRecord | None
    """The group with its letters; null if it has none now."""

    incomplete: str
    """Why the part of some partitions is missing; "" if all partitions answered."""


class GroupsAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """Failure groups, most recent first."""

    groups: list[GroupRecord]
    incomplete: str
    """Why the part of some partitions is missing; "" if all partitions answered."""


class DryRunNotificationRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A notification that would be sent.

    Unless revealed, its texts are rendered from a masked body; a text that cannot be rendered from it is "".
    """

    channel: str
    rule: str
    key: str
    """Idempotency key, which the receiver gets."""

    to: str
    subject: str
    text: str
    html: str
    digest: bool
    looks_up: list[str]
    """Requests to the provider API that would come first."""

    needs: str
    """Parts that cannot be rendered without the answers of the provider API."""

    error: str
    """FailureCause it would become a dead letter instead; "" if it would be sent."""


class DryRunAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """The result of a dry run: what a replay would do now."""

    passes: bool
    """True if the replay would create no dead letter. Only a real replay shows whether the receiver accepts it."""

    reason: str
    error: str
    error_class: str
    path: str
    stage: str
    fingerprint: str
    notifications: list[DryRunNotificationRecord]


class EditAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """A copy with the edited body was replayed. The dead letter stays and has a note about it."""

    id: str
    replayed: bool
