"""Dead letters: a body or a notification that Hookline gave up on, with all its history."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from broker.queue import batch
from broker.queue.jobs import Attempt, Notification, new_job_id
from runtime.ids import new_id

MAX_NOTES, MAX_NOTE_CHARS = 50, 2000
"""Notes of one letter: beyond, the oldest go. And characters of one note."""

_UNKNOWN = "unknown"
"""Stage of a letter that cannot be read."""

STALE = "stale"
"""Reason of a body whose event was too old when it came."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """Everything but the body. Times are ms since 1970."""

    id: str
    fingerprint: str
    stage: str
    """`intake` or `notify`; `unknown` where it cannot be read."""

    reason: str
    """`undecodable`, `stale`, `poison`, `unreadable`, `permanent`, `exhausted`, `unknown channel` ..."""

    error: str
    error_class: str
    path: str = ""
    """Place in the payload, as a JSON path; empty where it is not about a place."""

    source: str = ""
    event: str = ""
    event_hint: str = ""
    headers: str = ""
    """The request's headers that were kept, a line each."""

    received_at_ms: int = 0
    died_at_ms: int = 0
    """By the clock of Redis; 0 for one that does not lie there yet."""

    bodies: int = 1
    """Bodies that count as dead_at_intake with it; 0 for a letter of stage notify."""

    rule: str = ""
    channel: str = ""
    key: str = ""
    """The notification's idempotency key."""

    digest: bool = False
    """It was of several events: the body is the list of them."""

    job: str = ""
    """The job that nobody could run, where the body is one."""

    attempts: tuple[Attempt, ...] = ()

    @property
    def is_unreadable(self) -> bool:
        """Whether it stands for a letter that cannot be read: only `id`, `died_at_ms` and `error` are known.

        It can be shown and discarded. What would need the letter itself leaves it where it is.
        """
        return self.stage == _UNKNOWN


class Note(Struct, frozen=True, array_like=True):
    """What a person noted on a dead letter."""

    at_ms: int
    by: str
    text: str


class StoredDeadLetter(Struct, frozen=True):
    """A dead letter and the bytes that died: a raw body, a batch or a job that could not be read."""

    letter: DeadLetter
    body: bytes
    terms: tuple[str, ...] = ()
    """What it can be found by, in clear, to be hashed as it is buried; () where it was read back."""

    notes: tuple[Note, ...] = ()
    """The oldest first."""


class Dimensions(Struct, frozen=True, array_like=True):
    """What dead letters have in common: all that they can be filtered by, but their time."""

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
        """What their key in Redis is named by."""
        text = "\x1f".join(str(value) for value in msgspec.structs.astuple(self))
        return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def dimensions_of(letter: DeadLetter) -> Dimensions:
    """The dimensions of one letter. The event is what the URL said where the body does not tell."""
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
    """The group of a dead letter; `subject` is the event name at intake, the channel at notify."""
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
    """The dead letter of one body; `event` is its event's name where it is known, `terms` what finds it."""
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


def unreadable_batch(blob: bytes, bodies: int, error: str) -> StoredDeadLetter:
    """The dead letter of an entry that no worker could unpack."""
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
    """The dead letter of a job that no worker could run; its body is the job as arq keeps it."""
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
    """The dead letter of one event of a digest that cannot be read; its body is the event as it lay there."""
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
    """What stands for a letter that lies in Redis as no Hookline writes it, or only a newer one."""
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
    """The dead letter of one notification; `terms`: what finds it; `place`: of the error in a rule.

    An error in a rule is grouped by rule, event and place. What a channel answers is one cause for all rules.
    """
    body = notification.body
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
