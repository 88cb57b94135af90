"""Replays dead letters: enqueues their content again and removes the letters, in one step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from msgspec import structs

from broker import dead_letters
from broker.dead_letters import MAX_NOTES, NO_ACTION, STALE, Note, StoredDeadLetter, Work
from broker.dead_letters.packing import REMOVING
from broker.dead_letters.store import NOTES, OWNERSHIP, done
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.queue import batch, jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import MAX_NOTIFICATIONS, Notification, NotifyJob
from broker.queue.parts import BATCHES, JOBS, WAKE
from broker.redis import clock
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, Script

_REPLAY_EDITED = Script(
    "dead_letters/replay_edited",
    parts=(NOTES, audit.AUDIT, BATCHES, JOBS, WAKE, COUNTERS),
    keys=("dead:letter", "dead_notes:letter"),
    args=("letter", "most_notes: number", "job", "blob", "any_age: number", "audit_entry", "note: packed"),
)
_REPLAY_BODIES = Script(
    "dead_letters/replay_bodies",
    parts=(REMOVING, OWNERSHIP, BATCHES, COUNTERS),
    keys=("stream", "action:action"),
    args=("action", "owner", "blob", "any_age: number", "letters: packed"),
)
_REPLAY_JOB = Script(
    "dead_letters/replay_job",
    parts=(REMOVING, OWNERSHIP, JOBS, WAKE, COUNTERS),
    keys=("queue", "job:job", "done:job", "action:action"),
    args=("action", "owner", "job", "size: number", "blob"),
    rest="ids",
)


async def replay(redis: Client, stored_letters: Sequence[StoredDeadLetter], *, work: Work = NO_ACTION) -> int:
    """Replay dead letters with all their attempts and their old idempotency keys. Returns how many still existed.

    A body goes through intake again, where the age of a body that was stale is not checked. A notification goes
    straight to its channel. Bodies share a batch, and notifications of one channel share a job. Each step is all
    or nothing: after a crash between two steps, some letters are replayed and the others are still dead letters. A
    letter that cannot be read stays, because its stage is not known. Raises BrokerError, NotMineError.
    """
    replayed = 0
    for chunk in _chunks(
        [stored_letter for stored_letter in stored_letters if stored_letter.letter.stage == "intake"]
    ):
        replayed += await _replay_bodies(redis, chunk, work)
    for chunk in _chunks(
        [stored_letter for stored_letter in stored_letters if stored_letter.letter.stage == "notify"]
    ):
        replayed += await _replay_notifications(redis, chunk, work)
    return replayed


async def retry_redelivered(redis: Client) -> int:
    """Replay up to 64 dead letters that a redelivery marked. Returns how many; 0 if none is marked.

    The step that replays a letter removes its mark. A letter that cannot be read stays and loses its mark. Raises
    BrokerError.
    """
    with translated():
        names: Any = await redis.srandmember(redis.names.dead_to_retry, MAX_NOTIFICATIONS)  # type: ignore[misc]
    marked: list[bytes] = list(names or ())
    stored_letters = await dead_letters.stored_letters(redis, [name.decode("utf-8", "replace") for name in marked])
    lost = [
        name
        for name, stored_letter in zip(marked, stored_letters, strict=True)
        if not stored_letter or stored_letter.letter.is_unreadable
    ]
    if lost:  # without this they would be read for ever; a letter that is missing was removed by hand
        with translated():
            await redis.srem(redis.names.dead_to_retry, *lost)  # type: ignore[misc]
    return await replay(redis, [stored_letter for stored_letter in stored_letters if stored_letter])


async def replay_edited(redis: Client, stored_letter: StoredDeadLetter, body: bytes, *, by: str) -> bool:
    """Replay a copy of a dead letter with another body and the old idempotency key.

    The letter stays and gets a note, and the audit log gets an entry. Returns False if the letter no longer
    exists. by: the name of the person. Raises BrokerError.
    """
    letter, edited = stored_letter.letter, structs.replace(stored_letter, body=body)
    now_ms = await clock.now_ms(redis)
    note = Note(now_ms, by, "replayed an edited copy")
    if letter.stage == "intake":
        job, blob = "", batch.encode([body_of(edited)])
    else:
        job, blob = jobs.new_job_id(1), _job(letter.channel, [notification_of(edited)], now_ms)
    any_age = int(letter.reason == STALE)
    audit_entry = audit.packed(AuditEntry(by, "edit", letter.id, {"bytes": str(len(body))}))
    with translated():
        return bool(
            await _REPLAY_EDITED(
                redis,
                letter=letter.id,
                note=note,
                most_notes=MAX_NOTES,
                job=job,
                blob=blob,
                any_age=any_age,
                audit_entry=audit_entry,
            )
        )


def body_of(stored_letter: StoredDeadLetter) -> RawBody:
    """Return the webhook of a dead letter, as it was received."""
    letter = stored_letter.letter
    return RawBody(letter.received_at_ms, letter.source, letter.event_hint, stored_letter.body, letter.headers)


def notification_of(stored_letter: StoredDeadLetter) -> Notification:
    """Return the notification of a dead letter, with its old idempotency key and without its attempts."""
    letter = stored_letter.letter
    return Notification(letter.key, letter.rule, letter.event, body_of(stored_letter), digest=letter.digest)


def _chunks(stored_letters: list[StoredDeadLetter]) -> list[list[StoredDeadLetter]]:
    """Divide letters into parts that fit into one batch or one job. An unreadable blob gets a part of its own."""
    chunks: list[list[StoredDeadLetter]] = []
    for alike, letters_alike in groupby(sorted(stored_letters, key=_travels_with), key=_travels_with):
        room = 0
        for stored_letter in letters_alike:
            size = len(stored_letter.body)
            if alike[0] or room < size or len(chunks[-1]) >= MAX_NOTIFICATIONS:
                chunks.append([])
                room = batch.MAX_BYTES
            chunks[-1].append(stored_letter)
            room -= size
    return chunks


def _travels_with(stored_letter: StoredDeadLetter) -> tuple[str, str, bool]:
    letter = stored_letter.letter
    alone = letter.id if letter.job or letter.reason == "unreadable" else ""
    return alone, letter.channel, letter.reason == STALE


async def _replay_bodies(redis: Client, stored_letters: list[StoredDeadLetter], work: Work) -> int:
    first = stored_letters[0].letter
    blob = (
        stored_letters[0].body
        if first.reason == "unreadable"
        else batch.encode([body_of(stored_letter) for stored_letter in stored_letters])
    )
    any_age = int(first.reason == STALE)  # or intake would reject it for its age again
    named = [(stored_letter.letter.id, stored_letter.letter.bodies) for stored_letter in stored_letters]
    with translated():
        taken = done(
            await _REPLAY_BODIES(
                redis, action=work.action, owner=work.owner, blob=blob, any_age=any_age, letters=named
            )
        )
    if taken or len(stored_letters) == 1:
        return taken
    return sum(
        [await _replay_bodies(redis, [stored_letter], work) for stored_letter in stored_letters]
    )  # one letter no longer exists, so each is tried alone


async def _replay_notifications(redis: Client, stored_letters: list[StoredDeadLetter], work: Work) -> int:
    letter = stored_letters[0].letter
    if letter.job:
        job, blob = letter.job, stored_letters[0].body
    else:
        job = jobs.new_job_id(len(stored_letters))
        notifications = [notification_of(stored_letter) for stored_letter in stored_letters]
        blob = _job(letter.channel, notifications, await clock.now_ms(redis))
    ids = [stored_letter.letter.id for stored_letter in stored_letters]
    with translated():
        return done(
            await _REPLAY_JOB(
                redis,
                action=work.action,
                owner=work.owner,
                job=job,
                size=jobs.size_of(job),
                blob=blob,
                ids=ids,
            )
        )


def _job(channel: str, notifications: list[Notification], now_ms: int) -> bytes:
    return jobs.encode(NotifyJob(channel, 1, now_ms, notifications))
