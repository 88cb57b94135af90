"""The stream of raw batches. The receiver appends to it, and workers read from it as a consumer group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from redis.exceptions import ResponseError

from broker.monitoring.source_health import OUTAGE
from broker.queue import batch
from broker.queue.batch import RawBody
from broker.queue.held_bodies import packed_places, unpacked_places
from broker.queue.parts import BATCHES, UNRECOGNIZED
from broker.redis import keys
from broker.redis.client import Client
from broker.redis.clock import time_reply_ms
from broker.redis.confirmation import Confirmation, confirmation_for, confirmed
from broker.redis.errors import translated
from broker.redis.numbers import parse_int
from broker.redis.scripting.scripts import COUNTERS, FULL, PAIRS, Script, as_text

__all__ = [
    "Confirmation",
    "Entry",
    "append",
    "confirmation_for",
    "create_group",
    "defer",
    "read",
    "read_missed",
    "split",
    "take_over",
]


_MOST_BODIES = 10_000
"""The largest number of bodies that an entry may claim. It is more than any batch has."""

_STALLED_COUNT = 10
"""How many stalled entries are read at a time. Several workers may look for them at the same time."""


APPEND = Script(
    "queue/append",
    parts=(BATCHES, COUNTERS, OUTAGE),
    keys=("stream", "layout"),
    args=("bodies: number", "blob"),
    rest="sources",
)
_CREATE_GROUP = Script("queue/create_group", parts=(FULL,), keys=("stream",))
_DEFER_ENTRY = Script(
    "queue/defer_entry",
    parts=(FULL, UNRECOGNIZED),
    keys=("stream", "unrecognized:entry"),
    args=("consumer", "entry", "for_ms: number", "idle_ms: number"),
)
_SPLIT = Script(
    "queue/split",
    parts=(FULL, BATCHES, COUNTERS),
    keys=("stream",),
    args=("entry", "any_age: number", "origin", "batches: packed", "further: number"),
)
_FORGET_CONSUMERS = Script("queue/forget_consumers", parts=(PAIRS,), keys=("stream",), args=("idle_ms: number",))


class Entry(Struct, frozen=True):
    """A batch as the stream stores it."""

    id: str
    bodies: int
    blob: bytes
    deliveries: int = 1
    """How often a worker has read the entry, including this time."""

    any_age: bool = False
    """True if the age of its events is not checked, because a person replayed them although they were stale."""

    origin: str = ""
    """The id of the batch that its bodies were received in, if that was another one: see `batch_id`."""

    places: tuple[int, ...] = ()
    """The place of each body in that batch; () if the batch is this one."""


async def append(redis: Client, bodies: list[RawBody], confirmation: Confirmation) -> None:
    """Append one batch and count its bodies. Returns when Redis has confirmed the write.

    Raises BrokerError. After Full nothing was written. After Unavailable and NotDurable the batch may have been
    written. Sending it again is safe, because intake suppresses duplicates.
    """
    blob = batch.encode(bodies)
    sources = {body.source for body in bodies}
    with translated():
        await confirmed(redis, confirmation, APPEND, bodies=len(bodies), blob=blob, sources=sources)


async def create_group(redis: Client) -> None:
    """Create the stream and its consumer group if they do not exist. Raises BrokerError."""
    with translated():
        await _CREATE_GROUP(redis)


async def read(redis: Client, consumer: str, *, count: int, block_ms: int) -> list[Entry]:
    """Read up to `count` entries that no worker has read yet. Waits up to `block_ms` for the first.

    Raises BrokerError.
    """
    with translated():
        try:
            reply = await redis.xreadgroup(
                keys.GROUP, consumer, {redis.names.stream: ">"}, count=count, block=block_ms
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            await create_group(redis)  # Redis has lost its data
            return []
    return [_entry(entry_id, fields) for _, entries in reply or () for entry_id, fields in entries]


async def read_missed(redis: Client, consumer: str, *, after: str, count: int) -> list[Entry]:
    """Read the entries later than `after` that Redis gave to this consumer, and whose delivery was cut short.

    Raises BrokerError.
    """
    with translated():
        try:
            reply = await redis.xreadgroup(keys.GROUP, consumer, {redis.names.stream: after}, count=count)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            return []
    return [_entry(entry_id, fields) for _, entries in reply or () for entry_id, fields in entries if fields]


async def take_over(redis: Client, consumer: str, *, idle_ms: int) -> Entry | None:
    """Take over the oldest entry that another worker read at least `idle_ms` ago and has not committed.

    Returns None if there is no such entry. Raises BrokerError.
    """
    with translated():
        after = "-"
        while stalled := await _stalled(redis, after, idle_ms):
            for pending in stalled:
                # Another worker may have taken it since, or it may be deleted: then nothing is returned.
                entry = await _claimed(redis, consumer, pending["message_id"], idle_ms)
                if entry is not None:
                    return _entry(*entry, deliveries=pending["times_delivered"] + 1)
            after = f"({stalled[-1]['message_id'].decode()}"
    return None


async def _stalled(redis: Client, after: str, idle_ms: int) -> list[dict[str, Any]]:
    """Return the oldest pending entries that were read at least `idle_ms` ago. after: a bound of XPENDING."""
    # XAUTOCLAIM would be one more command to permit, does not return the number of deliveries, and checks only ten
    # pending entries a call.
    try:
        return list(
            await redis.xpending_range(
                redis.names.stream, keys.GROUP, min=after, max="+", count=_STALLED_COUNT, idle=idle_ms
            )
        )
    except ResponseError as error:
        if "NOGROUP" not in str(error):
            raise
        return []


async def _claimed(
    redis: Client, consumer: str, entry_id: bytes, idle_ms: int
) -> tuple[bytes, dict[bytes, bytes]] | None:
    reply = await redis.xclaim(
        redis.names.stream, keys.GROUP, consumer, min_idle_time=idle_ms, message_ids=[entry_id]
    )
    # Redis 6.2 returns a deleted entry without fields.
    return next(((claimed_id, fields) for claimed_id, fields in reply if fields), None)


async def keep(redis: Client, consumer: str, entry_ids: Sequence[str]) -> None:
    """Keep entries that cannot be committed yet, so that no other worker takes them over.

    This does not count as another delivery. Raises BrokerError.
    """
    with translated():
        await redis.xclaim(
            redis.names.stream, keys.GROUP, consumer, min_idle_time=0, message_ids=list(entry_ids), justid=True
        )


async def defer(redis: Client, consumer: str, entry_id: str, *, for_ms: int, idle_ms: int) -> bool:
    """Leave an entry that this worker cannot read to other workers, which take it over in 1 to 15 s.

    The delivery is not counted. Returns False if a worker first read the entry `for_ms` ago, so that probably no
    worker can read it. idle_ms: see `take_over`. Raises BrokerError.
    """
    with translated():
        return bool(await _DEFER_ENTRY(redis, consumer=consumer, entry=entry_id, for_ms=for_ms, idle_ms=idle_ms))


async def split(
    redis: Client, entry: Entry, batches: Sequence[Sequence[tuple[int, RawBody]]], *, further: int = 0
) -> None:
    """Replace an entry by others that contain the same events. Safe to repeat. Raises BrokerError.

    batches: the bodies of each new entry, each with its place in the batch that it was received in. further: by
    how many they have more bodies than the entry, because some bodies held several events; these count as
    accepted.
    """
    rows = [
        (
            len(bodies),
            as_text(batch.encode([body for _, body in bodies])),
            packed_places([place for place, _ in bodies]),
        )
        for bodies in batches
    ]
    # Other partitions may have processed some of the bodies: markers there name the batch and the places.
    origin = batch_id(redis, entry) if redis.partitions > 1 else ""
    with translated():
        await _SPLIT(
            redis, entry=entry.id, any_age=int(entry.any_age), origin=origin, batches=rows, further=further
        )


def batch_id(redis: Client, entry: Entry) -> str:
    """Return the id of the batch that the bodies of an entry were received in: `{partition}/{entry}`."""
    return entry.origin or f"{redis.partition}/{entry.id}"


async def forget_consumers(redis: Client, *, idle_ms: int) -> None:
    """Remove consumers that have no pending entries and have been idle for `idle_ms`. Raises BrokerError."""
    with translated():
        try:
            await _FORGET_CONSUMERS(redis, idle_ms=idle_ms)
        except ResponseError as error:
            if not _is_without_group(error):
                raise


async def live_workers(redis: Client) -> dict[bytes, bytes]:
    """Return the live workers by name, each with the fingerprint of its config. Raises BrokerError.

    A worker is alive if it gave a sign of life in the last 6 s. This includes workers that do not read the stream
    now, because too many notifications wait. In the control partition it also includes those that stand by.
    """
    with translated():
        readers = [row["name"] for row in await _consumers(redis)]
        registered = await redis.zrange(redis.names.workers, 0, -1)
        names = list(dict.fromkeys([*readers, *registered]))
        health = redis.names.health.encode()
        configs = await redis.mget([health + name for name in names]) if names else []
    return {name: config for name, config in zip(names, configs, strict=True) if config}


async def oldest_age_ms(redis: Client) -> int:
    """Return the age in ms of the oldest uncommitted entry; 0 for an empty stream. Raises BrokerError."""
    with translated():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.xrange(redis.names.stream, count=1)
            pipe.time()
            first, now = await pipe.execute()
    if not first:
        return 0
    written_ms = int(first[0][0].split(b"-")[0])
    return max(0, time_reply_ms(now) - written_ms)


async def _consumers(redis: Client) -> Iterable[dict[str, Any]]:
    try:
        return list(await redis.xinfo_consumers(redis.names.stream, keys.GROUP))
    except ResponseError as error:
        if not _is_without_group(error):
            raise
        return []


def _is_without_group(error: ResponseError) -> bool:
    """Return True if the stream or its group does not exist, as in a new namespace."""
    return "NOGROUP" in str(error) or "no such key" in str(error)


def _entry(entry_id: bytes, fields: dict[bytes, bytes], deliveries: int = 1) -> Entry:
    return Entry(
        id=entry_id.decode(),
        bodies=min(_MOST_BODIES, max(0, parse_int(fields.get(b"n")))),
        blob=fields.get(b"z", b""),
        deliveries=deliveries,
        any_age=b"a" in fields,
        origin=fields.get(b"o", b"").decode(errors="replace"),
        places=unpacked_places(fields.get(b"p", b"")),
    )
