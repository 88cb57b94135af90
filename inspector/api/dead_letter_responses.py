"""Answers of the API about dead letters, as types: see responses.py. Times are in ms since 1970."""

from __future__ import annotations

from typing import Annotated, Any

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
