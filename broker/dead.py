"""Dead letters: a body or a notification that Hookline gave up on, with all its history."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence

import msgspec
from arq.connections import ArqRedis
from msgspec import Struct

from broker import batch, keys, scripts
from broker.errors import translated
from broker.ids import is_id, new_id
from broker.jobs import Attempt, Notification

STALE = "stale"
"""Reason of a body whose event was too old when it came."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """Everything but the body. Times are ms since 1970."""

    id: str
    fingerprint: str
    stage: str
    """`intake` or `notify`."""

    reason: str
    """`undecodable`, `stale`, `poison`, `unreadable`, `permanent`, `exhausted`, `unknown channel` ..."""

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

    digest: bool = False
    """It was of several events: the body is the list of them."""

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


def died_at_intake(
    body: batch.RawBody, *, reason: str, error: str, error_class: str, path: str = "", event: str = ""
) -> Grave:
    """The dead letter of one body; `event` is its event's name where it is known."""
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
        digest=notification.digest,
        attempts=notification.attempts,
    )
    return Grave(letter, body.body)


def packed(grave: Grave) -> tuple[bytes, bytes]:
    """The two fields of dead:{id}."""
    return _encode(grave.letter), batch.compress(grave.body)


async def get(redis: ArqRedis, letter_id: str) -> Grave | None:
    """One dead letter, or None. Raises BrokerError."""
    if not is_id(letter_id):
        return None
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


async def letter(redis: ArqRedis, letter_id: str) -> DeadLetter | None:
    """One dead letter without its body, or None. Raises BrokerError."""
    return (await letters(redis, [letter_id]))[0] if is_id(letter_id) else None


class Place(Struct, frozen=True):
    """Where a dead letter stands among the others, whether it is still there or not."""

    at_ms: int
    """When it was written, by the clock of Redis."""

    id: str


async def older(
    redis: ArqRedis, than: Place, *, count: int, group: str = ""
) -> list[tuple[Place, DeadLetter | None]]:
    """The next dead letters below a place, newest first, in all or in one group; [] at the end.

    None for a letter that went while this looked. What comes or goes meanwhile neither repeats nor hides any
    other. Raises BrokerError.
    """
    index = keys.DEAD_GROUP + group if group else keys.DEAD_INDEX
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.zrevrangebyscore(index, than.at_ms, than.at_ms)
            pipe.zrevrangebyscore(index, f"({than.at_ms}", "-inf", start=0, num=count, withscores=True)
            together, before = await pipe.execute()
    places = [Place(than.at_ms, name.decode()) for name in together if name.decode() < than.id][:count]
    places += [Place(int(at_ms), name.decode()) for name, at_ms in before[: count - len(places)]]
    return list(zip(places, await letters(redis, [place.id for place in places]), strict=True))


async def letters(redis: ArqRedis, ids: Sequence[str]) -> list[DeadLetter | None]:
    """Dead letters without their bodies; None for each that is not there. Raises BrokerError."""
    if not ids:
        return []
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            for letter_id in ids:
                pipe.hget(keys.DEAD + letter_id, "letter")
            return [_decode(letter) if letter else None for letter in await pipe.execute()]


async def closed_ms(redis: ArqRedis) -> int:
    """Now, as ms since 1970: no dead letter will ever be added at or before this time. Raises BrokerError.

    Waits until the clock of Redis, which dead letters have their places from, has moved on by one ms.
    """
    first = await _redis_ms(redis)
    while await _redis_ms(redis) <= first:  # noqa: ASYNC110 - the clock of Redis sets no event
        await asyncio.sleep(0.001)
    return first


class Group(Struct, frozen=True):
    """Dead letters of one fingerprint."""

    fingerprint: str
    count: int
    last_seen_ms: int
    """When the last one died, even if it is gone by now."""

    sample: DeadLetter
    """The newest."""


async def groups(redis: ArqRedis, *, start: int = 0, count: int = 50) -> list[Group]:
    """Up to `count` groups, the one that grew last first, from place `start`. Raises BrokerError."""
    with translated():
        found = await redis.zrevrange(keys.DEAD_GROUPS, start, start + count - 1, withscores=True)
        async with redis.pipeline(transaction=False) as pipe:
            for name, _ in found:
                pipe.zcard(keys.DEAD_GROUP + name.decode())
                pipe.zrevrange(keys.DEAD_GROUP + name.decode(), 0, 0)
            replies = await pipe.execute() if found else []
    sizes, newest_ids = replies[0::2], replies[1::2]
    samples = iter(await letters(redis, [ids[0].decode() for ids in newest_ids if ids]))
    return [
        Group(name.decode(), size, int(seen_ms), sample)
        for (name, seen_ms), size, ids in zip(found, sizes, newest_ids, strict=True)
        if ids and (sample := next(samples)) is not None
    ]


async def discard(redis: ArqRedis, letter: DeadLetter) -> bool:
    """Throw one away; False where it was gone already. Raises BrokerError."""
    with translated():
        return bool(await scripts.DISCARD(redis, letter.id, letter.fingerprint, letter.job))


async def how_many(redis: ArqRedis) -> int:
    """Dead letters now. Raises BrokerError."""
    with translated():
        return int(await redis.zcard(keys.DEAD_INDEX))


async def _redis_ms(redis: ArqRedis) -> int:
    with translated():
        seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
