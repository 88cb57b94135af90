"""Digests: events that are collected for some time and then sent as one notification.

A commit adds events to a list. The first event starts a time window. When the window ends, one step turns the list
into one job for each channel. A digest counts as created and waiting from its first event on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import zstandard
from msgspec import Raw, Struct

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter
from broker.dead_letters.packing import ADDING
from broker.history import records
from broker.history.records import RECORDING, EventRecord
from broker.queue import batch, jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import NotifyJob, due_now
from broker.queue.parts import JOBS
from broker.redis import clock, keys
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.redis.scripting.scripts import COUNTERS, FULL, Blobs, Script
from runtime.tracing.context import TRACEPARENT, line, with_line

MAX_BYTES = 4 * 1024 * 1024
"""The largest size of the bodies in one digest. Later events start a new window, as beyond `keys.DIGEST_MAX`."""


class QueuedJob(NamedTuple):
    """A new job as a script gets it."""

    id: str
    blob: int


_CLOSE_DIGEST = Script(
    "steps/close_digest",
    parts=(FULL, COUNTERS, JOBS, ADDING, RECORDING),
    keys=("digests", "digests_counted", "digest:digest"),
    args=(
        "digest",
        "first",
        "last",
        "taken: number",
        "window_ms: number",
        "history: number",
        "jobs: packed",
        "letters: packed",
    ),
    rest="blobs",
    records={"JOB": QueuedJob},
)
_FORGET_DIGEST = Script(
    "steps/forget_digest",
    parts=(FULL, COUNTERS),
    keys=("digests", "digests_counted", "digest:digest"),
    args=("digest",),
)


class Gathered(Struct, frozen=True, array_like=True):
    """An event that waits for the end of its window."""

    key: str
    """The idempotency key that the event alone would have. The keys of all events make the key of the digest."""

    rule: str
    channels: tuple[str, ...]
    window_ms: int
    event: str
    """The name of the event."""

    occurred_at_ms: int | None
    body: RawBody


class UnreadableMemberError(Exception):
    """The bytes are not an event that this version can read."""


class Part(Struct, frozen=True):
    """The contribution of one event to a digest. It is added only if the event is new."""

    event: int
    """The index of the event in its entry (starts at 0)."""

    digest: str
    gathered: Gathered
    number: int = 0
    """The place of the digest among those that the event joins (starts at 0). It names the event's mark."""


class Member(Struct, frozen=True, omit_defaults=True):
    """An event in the body of a digest's notification. The body is the JSON list of its members."""

    event: str
    source: str
    occurred_at_ms: int | None
    received_at_ms: int
    body: Raw
    """The body as it was received, if it is a JSON object or list; else its bytes as a JSON text."""

    headers: str = ""
    """The headers that were stored with the body: see `RawBody`."""

    @property
    def original(self) -> bytes:
        """The body as it was received. It need not be JSON: some providers send forms."""
        body = bytes(self.body)
        return body if body[:1] in _JSON else msgspec.json.decode(body, type=str).encode("latin-1")


_JSON = (b"{", b"[")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Gathered).decode
_encode_members = msgspec.json.Encoder().encode
_decode_members = msgspec.json.Decoder(list[Member]).decode


def digest_id(source: str, rule: str, key: str) -> str:
    """Return the id of an event's digest. key: the value of the rule's key for the event."""
    text = "\x1f".join((source, rule, key))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def packed(gathered: Gathered) -> bytes:
    """Return an event as the list in Redis stores it."""
    return batch.compress(_encode(gathered))


def unpacked(blob: bytes) -> Gathered:
    """Return the event that `packed` encoded. Raises UnreadableMemberError and nothing else."""
    try:
        return _decode(batch.decompress(blob))
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise UnreadableMemberError(str(error)) from None


def members(body: bytes) -> list[Member]:
    """Return the events in the body of a digest, ordered by their own times. Raises msgspec.DecodeError."""
    return sorted(_decode_members(body), key=lambda member: member.occurred_at_ms or member.received_at_ms)


def body_of(events: Sequence[Gathered]) -> RawBody:
    """Build the body of a digest's notification. The events must not be empty.

    Its trace is that of the first event that is traced.
    """
    first = events[0].body
    rows = [
        Member(
            event.event,
            event.body.source,
            event.occurred_at_ms,
            event.body.received_at_ms,
            _as_json(event.body.body),
            event.body.headers,
        )
        for event in events
    ]
    traced = next((parent for event in events if (parent := line(event.body.headers, TRACEPARENT))), "")
    headers = with_line("", TRACEPARENT, traced)
    return RawBody(first.received_at_ms, first.source, "", _encode_members(rows), headers)


def _as_json(body: bytes) -> Raw:
    return Raw(body if body[:1] in _JSON else _encode_members(body.decode("latin-1")))


class Due(NamedTuple):
    """The digests whose window has ended by the clock of Redis."""

    ids: list[str]
    next_s: float | None
    """Seconds until the window of the next digest ends; None if there is no other digest."""


async def due(redis: Client, *, count: int) -> Due:
    """Return the first `count` digests whose window has ended. Raises BrokerError."""
    # A name that is not UTF-8 was written by another program. With surrogateescape the driver encodes it to the
    # same bytes again, so that it can be removed.
    now_ms = await clock.now_ms(redis)
    with translated():
        first = await redis.zrange(redis.names.digests, 0, count, withscores=True)
    ids = [name.decode("utf-8", "surrogateescape") for name, ends_ms in first if ends_ms <= now_ms]
    next_s = (first[len(ids)][1] - now_ms) / 1000 if len(ids) < len(first) else None
    return Due(ids[:count], next_s)


async def gathered(redis: Client, digest: str) -> list[bytes]:
    """Return the encoded events of a digest, oldest first, at most `keys.DIGEST_MAX`. Raises BrokerError."""
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
    record: EventRecord | None = None,
) -> bool:
    """Turn the first events of a digest into jobs. Returns False if another worker has done this before.

    taken: the encoded events, as `gathered` returned them. made: their jobs. unreadable: the dead letters of those
    events that cannot be read. record: the digest's row for the history. Events that were added later start a new
    window. Safe to repeat. Raises BrokerError.
    """
    blobs, now_ms = Blobs(), await clock.now_ms(redis)
    queued = [QueuedJob(jobs.new_job_id(1), blobs.place(jobs.encode(due_now(job, now_ms)))) for job in made]
    letters = [dead_letters.packed(stored_letter, blobs.place) for stored_letter in unreadable]
    with translated():
        return bool(
            await _CLOSE_DIGEST(
                redis,
                digest=digest,
                first=taken[0],
                last=taken[-1],
                taken=len(taken),
                window_ms=window_ms,
                history=records.place([record] if record else [], blobs),
                jobs=queued,
                letters=letters,
                blobs=blobs.all,
            )
        )


async def forget(redis: Client, digest: str) -> None:
    """Remove a digest that is due and has no events. One with events is not changed. Raises BrokerError."""
    with translated():
        await _FORGET_DIGEST(redis, digest=digest)
