"""Dead letters: a body or a notification that Hookline gave up on, with all its history."""

from __future__ import annotations

import hashlib
import time

import msgspec
from arq.connections import ArqRedis
from msgspec import Struct

from broker import batch, keys, scripts
from broker.errors import translated
from broker.ids import new_id
from broker.jobs import Attempt, Notification


class DeadLetter(Struct, frozen=True, kw_only=True):
    """Everything but the body. Times are ms since 1970."""

    id: str
    fingerprint: str
    stage: str
    """`intake` or `notify`."""

    reason: str
    """`undecodable`, `poison`, `unreadable`, `permanent`, `exhausted`, `unknown channel` ..."""

    error: str
    error_class: str
    path: str = ""
    """Place in the payload, as a JSON path; empty where it is not about a place."""

    source: str = ""
    event: str = ""
    event_hint: str = ""
    received_at_ms: int = 0
    died_at_ms: int = 0
    bodies: int = 1
    """Bodies that count as buried with it; 0 for a letter of stage notify."""

    rule: str = ""
    channel: str = ""
    key: str = ""
    """The notification's idempotency key."""

    job: str = ""
    """The job that nobody could run, where the body is one."""

    attempts: tuple[Attempt, ...] = ()


class Grave(Struct, frozen=True):
    """A dead letter and the bytes that died: a raw body, a batch or a job that could not be read."""

    letter: DeadLetter
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DeadLetter).decode


def fingerprint(stage: str, error_class: str, path: str, subject: str) -> str:
    """The group of a dead letter; `subject` is the event name at intake, the channel at notify."""
    text = "\x1f".join((stage, error_class, path, subject))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def died_at_intake(body: batch.RawBody, *, reason: str, error: str, error_class: str, path: str = "") -> Grave:
    """The dead letter of one body."""
    subject = body.event_hint or body.source
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("intake", error_class, path, subject),
        stage="intake",
        reason=reason,
        error=error,
        error_class=error_class,
        path=path,
        source=body.source,
        event=body.event_hint,
        event_hint=body.event_hint,
        received_at_ms=body.received_at_ms,
        died_at_ms=_now_ms(),
    )
    return Grave(letter, body.body)


def unreadable_batch(blob: bytes, bodies: int, error: str) -> Grave:
    """The dead letter of an entry that no worker could unpack."""
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("intake", "UnreadableBatchError", "", "batch"),
        stage="intake",
        reason="unreadable",
        error=error,
        error_class="UnreadableBatchError",
        died_at_ms=_now_ms(),
        bodies=bodies,
    )
    return Grave(letter, blob)


def unreadable_job(job_id: str, blob: bytes, error: str) -> Grave:
    """The dead letter of a job that no worker could run; its body is the job as arq keeps it."""
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("notify", "UnreadableJobError", "", "job"),
        stage="notify",
        reason="unreadable",
        error=error,
        error_class="UnreadableJobError",
        died_at_ms=_now_ms(),
        bodies=0,
        job=job_id,
    )
    return Grave(letter, blob)


def died_at_notify(
    notification: Notification, channel: str, *, reason: str, error: str, error_class: str
) -> Grave:
    """The dead letter of one notification."""
    body = notification.body
    letter = DeadLetter(
        id=new_id(),
        fingerprint=fingerprint("notify", error_class, "", channel),
        stage="notify",
        reason=reason,
        error=error,
        error_class=error_class,
        source=body.source,
        event=notification.event,
        event_hint=body.event_hint,
        received_at_ms=body.received_at_ms,
        died_at_ms=_now_ms(),
        bodies=0,
        rule=notification.rule,
        channel=channel,
        key=notification.key,
        attempts=notification.attempts,
    )
    return Grave(letter, body.body)


def packed(grave: Grave) -> tuple[bytes, bytes]:
    """The two fields of dead:{id}."""
    return _encode(grave.letter), batch.compress(grave.body)


async def get(redis: ArqRedis, letter_id: str) -> Grave | None:
    """One dead letter, or None. Raises BrokerError."""
    with translated():
        letter, body = await redis.hmget(keys.DEAD + letter_id, ["letter", "body"])  # type: ignore[misc]
    return Grave(_decode(letter), batch.decompress(body)) if letter else None


async def newest(redis: ArqRedis, *, start: int = 0, count: int = 50) -> list[DeadLetter]:
    """Up to `count` dead letters, newest first, from place `start` (0 is the newest). Raises BrokerError."""
    with translated():
        ids = await redis.zrevrange(keys.DEAD_INDEX, start, start + count - 1)
        async with redis.pipeline(transaction=False) as pipe:
            for letter_id in ids:
                pipe.hget(keys.DEAD + letter_id.decode(), "letter")
            letters = await pipe.execute() if ids else []
    return [_decode(letter) for letter in letters if letter]


async def discard(redis: ArqRedis, letter: DeadLetter) -> bool:
    """Throw one away; False where it was gone already. Raises BrokerError."""
    with translated():
        return bool(await scripts.DISCARD(redis, letter.id, letter.fingerprint, letter.job))


async def how_many(redis: ArqRedis) -> int:
    """Dead letters now. Raises BrokerError."""
    with translated():
        return int(await redis.zcard(keys.DEAD_INDEX))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
