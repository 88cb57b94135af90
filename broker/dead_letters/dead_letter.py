"""The dead letter: a body or a notification that Hookline gave up on, with its history."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from broker.queue import batch
from broker.queue.jobs import Attempt, Notification, new_job_id
from runtime.ids import new_id

MAX_NOTES, MAX_NOTE_CHARS = 50, 2000
"""The largest number of notes on one dead letter, and of characters in one note.

A note beyond `MAX_NOTES` replaces the oldest one.
"""

_UNKNOWN = "unknown"
"""The stage of a dead letter that cannot be read."""

STALE = "stale"
"""The reason of a body whose event was too old when the body was received."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """Everything about a dead letter except its body. Times are ms since 1970."""

    id: str
    fingerprint: str
    stage: str
    """`intake` or `notify`; `unknown` if the dead letter cannot be read."""

    reason: str
    """`undecodable`, `stale`, `poison`, `unreadable`, `permanent`, `exhausted`, `unknown channel` ..."""

    error: str
    error_class: str
    path: str = ""
    """The JSON path of the error in the payload; empty if the error does not concern one field."""

    source: str = ""
    event: str = ""
    event_hint: str = ""
    about: str = ""
    """An id for rows of lists: the customer's at the provider, else another one of the body; "" without any."""

    headers: str = ""
    """The headers of the request that were kept, one line each."""

    received_at_ms: int = 0
    died_at_ms: int = 0
    """The time of death by the clock of Redis; 0 if the dead letter is not in Redis yet."""

    bodies: int = 1
    """The number of bodies that this dead letter adds to dead_at_intake; 0 for stage `notify`."""

    rule: str = ""
    channel: str = ""
    key: str = ""
    """The idempotency key of the notification."""

    digest: bool = False
    """True if the notification was a digest. Its body is then the list of the events."""

    job: str = ""
    """The id of the job, if the body is a job that no worker could run."""

    attempts: tuple[Attempt, ...] = ()

    @property
    def is_unreadable(self) -> bool:
        """True if this object represents a dead letter that cannot be read.

        Only `id`, `died_at_ms` and `error` are known then. Such a letter can be shown and discarded. All other
        actions skip it.
        """
        return self.stage == _UNKNOWN


class Note(Struct, frozen=True, array_like=True):
    """A comment that a person added to a dead letter."""

    at_ms: int
    by: str
    text: str


class StoredDeadLetter(Struct, frozen=True):
    """A dead letter with its bytes: a raw body, or a batch or a job that could not be read."""

    letter: DeadLetter
    body: bytes
    terms: tuple[str, ...] = ()
    """The search terms in plain text. Redis stores only hashes of them, so this is () for a letter read back."""

    notes: tuple[Note, ...] = ()
    """The comments of people, the oldest first."""


class Dimensions(Struct, frozen=True, array_like=True):
    """The values that dead letters can be filtered by, except their time."""

    stage: str
    source: str
    event: str
    reason: str
    error_class: str
    channel: str
    rule: str
    fingerprint: str
    attempts: int

    @property
    def id(self) -> str:
        """A hash of the values. It names the Redis key of the dead letters that have them (`dead:by:{id}`)."""
        text = "\x1f".join(str(value) for value in msgspec.structs.astuple(self))
        return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def dimensions_of(letter: DeadLetter) -> Dimensions:
    """Return the dimensions of one dead letter.

    If the event name is not known from the body, the one from the URL is used.
    """
    return Dimensions(
        letter.stage,
        letter.source,
        letter.event or letter.event_hint,
        letter.reason,
        letter.error_class,
        letter.channel,
        letter.rule,
        letter.fingerprint,
        len(letter.attempts),
    )


def fingerprint(stage: str, error_class: str, path: str, subject: str) -> str:
    """Return the fingerprint of a dead letter's failure group.

    subject: the event name at intake, or the channel at notify.
    """
    text = "\x1f".join((stage, error_class, path, subject))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def died_at_intake(
    body: batch.RawBody,
    *,
    reason: str,
    error: str,
    error_class: str,
    path: str = "",
    event: str = "",
    terms: Sequence[str] = (),
) -> StoredDeadLetter:
    """Build the dead letter of one body.

    event: the event name, if known. terms: the search terms.
    """
    event = event or body.event_hint
    subject = event or body.source
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("intake", error_class, path, subject),
        stage="intake",
        reason=reason,
        error=error,
        error_class=error_class,
        path=path,
        source=body.source,
        event=event,
        event_hint=body.event_hint,
        headers=body.headers,
        received_at_ms=body.received_at_ms,
    )
    return StoredDeadLetter(letter, body.body, tuple(terms))


def with_about(stored_letter: StoredDeadLetter, about: str) -> StoredDeadLetter:
    """Return a dead letter with the id that lists show of it: see `DeadLetter.about`."""
    return msgspec.structs.replace(
        stored_letter, letter=msgspec.structs.replace(stored_letter.letter, about=about)
    )


def unreadable_batch(blob: bytes, bodies: int, error: str) -> StoredDeadLetter:
    """Build the dead letter of a stream entry that no worker could unpack."""
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("intake", "UnreadableBatchError", "", "batch"),
        stage="intake",
        reason="unreadable",
        error=error,
        error_class="UnreadableBatchError",
        bodies=bodies,
    )
    return StoredDeadLetter(letter, blob)


def unreadable_job(job_id: str, blob: bytes, error: str) -> StoredDeadLetter:
    """Build the dead letter of a job that no worker could run. Its body is the job as arq stores it."""
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("notify", "UnreadableJobError", "", "job"),
        stage="notify",
        reason="unreadable",
        error=error,
        error_class="UnreadableJobError",
        bodies=0,
        job=job_id,
    )
    return StoredDeadLetter(letter, blob)


def unreadable_member(blob: bytes, error: str) -> StoredDeadLetter:
    """Build the dead letter of a digest's event that cannot be read. Its body is the event as Redis stored it."""
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("notify", "UnreadableMemberError", "", "digest"),
        stage="notify",
        reason="unreadable",
        error=f"an event of a digest cannot be read: {error}",
        error_class="UnreadableMemberError",
        bodies=0,
        job=new_job_id(1),
    )
    return StoredDeadLetter(letter, blob)


def unreadable_letter(letter_id: str, at_ms: int, why: Exception) -> DeadLetter:
    """Build a placeholder for a dead letter in Redis that this version cannot read."""
    return DeadLetter(
        id=letter_id,
        fingerprint="",
        stage=_UNKNOWN,
        reason="unreadable",
        error=f"this version of Hookline cannot read it: {why}"[:500],
        error_class="UnreadableLetterError",
        died_at_ms=at_ms,
        bodies=0,
    )


def died_at_notify(
    notification: Notification,
    channel: str,
    *,
    reason: str,
    error: str,
    error_class: str,
    place: str = "",
    terms: Sequence[str] = (),
) -> StoredDeadLetter:
    """Build the dead letter of one notification.

    place: where in a rule the error is; empty if the rule is not the cause. terms: the search terms.
    """
    body = notification.body
    # A wrong rule fails for itself, so its rule, event and place make the group. A channel that refuses is one
    # cause for all rules.
    path = "\x1f".join((notification.rule, notification.event, place)) if place else ""
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("notify", error_class, path, channel),
        stage="notify",
        reason=reason,
        error=error,
        error_class=error_class,
        path=place,
        source=body.source,
        event=notification.event,
        event_hint=body.event_hint,
        headers=body.headers,
        received_at_ms=body.received_at_ms,
        bodies=0,
        rule=notification.rule,
        channel=channel,
        key=notification.key,
        digest=notification.digest,
        attempts=notification.attempts,
    )
    return StoredDeadLetter(letter, body.body, tuple(terms))
