"""Digests: events that are collected for a while and then notified as one.

A commit puts them on a list; when the window that the first one opened ends, one step turns the list into a job a
channel. A digest counts as created, and waits, from its first event on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import zstandard
from msgspec import Raw, Struct

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.queue import batch, jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import NotifyJob, due_now
from broker.redis import clock, keys, scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripts import Blobs

MAX_BYTES = 4 * 1024 * 1024
"""Bodies of one digest; what is beyond opens a window of its own, and so does what is beyond keys.DIGEST_MAX."""


class Gathered(Struct, frozen=True, array_like=True):
    """One event as it waits for the end of its window."""

    key: str
    """Idempotency key that the event alone would have; the digest's is made of those of all its events."""

    rule: str
    channels: tuple[str, ...]
    window_ms: int
    event: str
    """Event name."""

    occurred_at_ms: int | None
    body: RawBody


class UnreadableMemberError(Exception):
    """The bytes are not an event that this version can read."""


class Part(Struct, frozen=True):
    """What one event adds to a digest: kept only if the event is new."""

    event: int
    """Its place among the events of its entry."""

    digest: str
    gathered: Gathered


class Member(Struct, frozen=True):
    """One event in the body of a digest's notification, which is the JSON list of them."""

    event: str
    source: str
    occurred_at_ms: int | None
    received_at_ms: int
    body: Raw
    """As it was received."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Gathered).decode
_encode_members = msgspec.json.Encoder().encode
_decode_members = msgspec.json.Decoder(list[Member]).decode


def digest_id(source: str, rule: str, key: str) -> str:
    """Which digest an event belongs to; `key`: what the rule's key comes to for it."""
    text = "\x1f".join((source, rule, key))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def packed(gathered: Gathered) -> bytes:
    """As it lies on the list."""
    return batch.compress(_encode(gathered))


def unpacked(blob: bytes) -> Gathered:
    """What `packed` packed. Raises UnreadableMemberError and nothing else."""
    try:
        return _decode(batch.decompress(blob))
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadableMemberError(str(error)) from None


def members(body: bytes) -> list[Member]:
    """The events in a digest's body, in the order of their own times. Raises msgspec.DecodeError."""
    return sorted(_decode_members(body), key=lambda member: member.occurred_at_ms or member.received_at_ms)


def body_of(events: Sequence[Gathered]) -> RawBody:
    """The body of a digest's notification."""
    first = events[0].body
    rows = [
        Member(one.event, one.body.source, one.occurred_at_ms, one.body.received_at_ms, Raw(one.body.body))
        for one in events
    ]
    return RawBody(first.received_at_ms, first.source, "", _encode_members(rows))


async def due(redis: Client, *, count: int) -> list[str]:
    """Up to `count` digests whose window has ended, by the clock of Redis. Raises BrokerError.

    A name that is no text is one that another hand wrote: it stays what it is on its way back to Redis.
    """
    now_ms = await clock.now_ms(redis)
    with translated():
        names = await redis.zrangebyscore(redis.names.digests, "-inf", now_ms, 0, count)
        return [name.decode("utf-8", "surrogateescape") for name in names]


async def gathered(redis: Client, digest: str) -> list[bytes]:
    """What lies on the list of a digest, packed, oldest first: at most keys.DIGEST_MAX. Raises BrokerError."""
    with translated():
        return list(await redis.lrange(redis.names.digest + digest, 0, keys.DIGEST_MAX - 1))  # type: ignore[misc]


async def close(
    redis: Client,
    digest: str,
    taken: Sequence[bytes],
    made: Sequence[NotifyJob],
    unreadable: Sequence[StoredDeadLetter] = (),
    *,
    window_ms: int,
) -> bool:
    """Turn the first events of a digest, `taken`, into jobs; False where another worker did so before.

    unreadable: the dead letters of those among them that cannot be read. What came behind them opens a new window.
    Safe to repeat. Raises BrokerError.
    """
    blobs, now_ms = Blobs(before=6), await clock.now_ms(redis)
    queued = [(jobs.new_job_id(1), blobs.place(jobs.encode(due_now(job, now_ms)))) for job in made]
    plan = _encode((queued, [dead_letters.packed(stored_letter, blobs.place) for stored_letter in unreadable]))
    with translated():
        return bool(
            await scripts.CLOSE_DIGEST(redis, digest, taken[0], taken[-1], len(taken), window_ms, plan, *blobs.all)
        )


async def forget(redis: Client, digest: str) -> None:
    """Let one go that is due and has no events. Safe to repeat, and where events came. Raises BrokerError."""
    with translated():
        await scripts.FORGET_DIGEST(redis, digest)
