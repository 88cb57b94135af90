"""Removes a person's data from queued webhooks, notifications and digests.

An `Eraser` decides what belongs to the person. It removes the person's own webhooks, and redacts webhooks of
others that name the person. Each change is one step in Redis. All functions raise BrokerError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

import msgspec
import zstandard
from msgspec import Struct, structs

from broker.erasure import scripts
from broker.queue import batch, jobs
from broker.queue.batch import RawBody, UnreadableBatchError
from broker.queue.held_bodies import packed_places, unpacked_places
from broker.queue.jobs import Attempt, Notification, NotifyJob, Packed, UnreadableJobError
from broker.queue.waiting.cause import deferral_of
from broker.redis.client import Client
from broker.redis.errors import translated
from broker.steps import digest_windows, digests, old_digests
from broker.steps.digests import Gathered

_PAGE = 50


class Eraser(Protocol):
    """Removes one person from webhooks and texts."""

    def body(self, body: RawBody) -> RawBody | None:
        """Return a webhook without the person, or None if the whole webhook belongs to the person."""

    def event(self, event: str) -> str:
        """Return an event name without the person."""

    def text(self, text: str) -> str:
        """Return an error, a response or a note without the person."""

    def is_in(self, data: bytes) -> bool:
        """Return whether bytes that cannot be decoded contain the person's id or address."""


Outcome = Literal["removed", "busy", "unreadable"]


class ErasureResult(Struct, frozen=True):
    """The result for one entry, job or digest that contains data of the person."""

    outcome: Outcome
    """`busy` means that a worker has it now, so that nothing was changed."""

    name: str
    """The id of the entry, job or digest in Redis."""

    removed: int = 0
    """The number of webhooks, events or notifications of the person that were removed."""

    redacted: int = 0
    """The number of webhooks, events or notifications of others from which the person was removed."""


async def webhooks(redis: Client, eraser: Eraser) -> AsyncIterator[ErasureResult]:
    """Remove the person from the stream of webhooks. Yields a result for each entry that contains the person."""
    start = "-"
    while True:
        with translated():
            entries = await redis.xrange(redis.names.stream, min=start, count=_PAGE)
        for name, fields in entries:
            result = await _of_entry(redis, name.decode(), fields, eraser)
            if result:
                yield result
        if len(entries) < _PAGE:
            return
        start = f"({entries[-1][0].decode()}"


async def _of_entry(redis: Client, name: str, fields: dict[bytes, bytes], eraser: Eraser) -> ErasureResult | None:
    try:
        bodies = batch.decode(fields.get(b"z", b""))
    except UnreadableBatchError:
        return ErasureResult("unreadable", name) if eraser.is_in(unpacked(fields.get(b"z", b""))) else None
    left = [eraser.body(body) for body in bodies]
    if left == bodies:
        return None
    stay = [body for body in left if body is not None]
    gone = len(bodies) - len(stay)
    # Bodies that waited for another partition keep their places in the batch in which they were received.
    places = unpacked_places(fields.get(b"p", b""))
    has_places = len(places) == len(bodies)
    stay_at = [place for place, body in zip(places, left, strict=True) if body is not None] if has_places else []
    with translated():
        done = await scripts.FORGET_ENTRY(
            redis,
            entry=name,
            leaving=gone,
            staying=len(stay),
            blob=batch.encode(stay),
            any_age=int(b"a" in fields),
            origin=fields.get(b"o", b"") if has_places else b"",
            places=packed_places(stay_at),
        )
    return _found(done, name, gone, _redacted(bodies, left))


async def notifications(redis: Client, eraser: Eraser) -> AsyncIterator[ErasureResult]:
    """Remove the person from jobs that are due, held or deferred. Yields a result for each job with the person.

    A job that is running now is `busy`.
    """
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.job}*", count=1000):
            result = await _of_job(redis, key_text(key)[len(redis.names.job) :], eraser)
            if result:
                yield result


async def _of_job(redis: Client, name: str, eraser: Eraser) -> ErasureResult | None:
    blob = await jobs.raw(redis, name)
    read = jobs.deserialize(blob) if blob else {"f": "", "a": ()}
    if read["f"] not in (jobs.NOTIFY, jobs.UNREADABLE):
        return None
    try:
        job = jobs.decode(jobs.argument_of(blob))
    except UnreadableJobError:
        arguments = [unpacked(part.blob) for part in read["a"] if isinstance(part, Packed)]
        return ErasureResult("unreadable", name) if any(eraser.is_in(part) for part in arguments) else None
    left = [_without(notification, eraser) for notification in job.notifications]
    stay = [place for place, notification in enumerate(left) if notification is not None]
    if left == job.notifications:
        return None
    kept = [notification for notification in left if notification is not None]
    heir = NotifyJob(job.channel, job.attempt, job.first_try_ms, kept)
    leave = [place for place, notification in enumerate(left) if notification is None]
    with translated():
        done, gone = await scripts.FORGET_JOB(
            redis,
            job=name,
            new_job=jobs.new_job_id(len(kept), deferral_of(name)),
            channel=job.channel,
            blob=blob,
            new_blob=jobs.encode(heir),
            leaving=leave,
            staying=stay,
        )
    return _found(done, name, int(gone), _redacted(job.notifications, left))


def _found(done: int, name: str, gone: int, redacted: int) -> ErasureResult | None:
    """Return the result of a step, or None if the key has changed since it was read.

    done: 1 if the step made the change, -1 if a worker has the key now, 0 if the key has changed.
    """
    if done == 0:
        return None
    return ErasureResult("removed", name, gone, redacted) if done == 1 else ErasureResult("busy", name)


def _redacted(before: Sequence[object], after: Sequence[object]) -> int:
    """Return how many items stay, but changed."""
    return sum(new is not None and new != old for old, new in zip(before, after, strict=True))


def _without(notification: Notification, eraser: Eraser) -> Notification | None:
    """Return a notification without the person, or None. Of a digest, the events of others stay."""
    body = notification.body
    if notification.digest:
        rest, _ = others(body.body, eraser)
        stays = structs.replace(body, body=rest) if rest else None
    else:
        stays = eraser.body(body)
    if stays is None:
        return None
    attempts = attempts_without(notification.attempts, eraser)
    return structs.replace(notification, body=stays, event=eraser.event(notification.event), attempts=attempts)


def attempts_without(attempts: Sequence[Attempt], eraser: Eraser) -> tuple[Attempt, ...]:
    """Return attempts without the person in their errors and responses."""
    return tuple(
        structs.replace(attempt, error=eraser.text(attempt.error), answer=eraser.text(attempt.answer))
        for attempt in attempts
    )


def others(body: bytes, eraser: Eraser) -> tuple[bytes, int]:
    """Return the body of a digest with the events of others, and how many events were the person's.

    The body is b"" if no event is left.
    """
    try:
        members = msgspec.json.decode(body, type=list[digests.Member])
    except ValueError:
        return body, 0
    stay = [
        structs.replace(member, event=eraser.event(member.event))
        for member in members
        if eraser.body(_webhook(member)) is not None
    ]
    if stay == members:
        return body, 0
    return msgspec.json.encode(stay) if stay else b"", len(members) - len(stay)


def _webhook(member: digests.Member) -> RawBody:
    return RawBody(member.received_at_ms, member.source, "", member.original)


async def gathered(redis: Client, eraser: Eraser) -> AsyncIterator[ErasureResult]:
    """Remove the person from events that wait in digests. Yields a result for each pack of events with the person.

    A digest without remaining events counts as waiting until its window ends.
    """
    await old_digests.take_in_all(redis)
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.digests_events}*", count=1000):
            result = await _of_pack(redis, key[len(redis.names.digests_events) :], eraser)
            if result:
                yield result


async def _of_pack(redis: Client, pack_id: bytes, eraser: Eraser) -> ErasureResult | None:
    name = pack_id.decode("utf-8", "backslashreplace")
    pack = (await digest_windows.read_packs(redis, [pack_id]))[pack_id]
    if pack.error:
        return ErasureResult("unreadable", name) if eraser.is_in(unpacked(pack.blob)) else None
    left = [event and _event_without(event, eraser) for event in pack.events]
    if left == list(pack.events):
        return None
    gone = sum(new is None and old is not None for old, new in zip(pack.events, left, strict=True))
    if not await digest_windows.replace_pack(redis, pack_id, pack.version, left):
        return ErasureResult("busy", name)
    return ErasureResult("removed", name, gone, _redacted(pack.events, left))


def _event_without(event: Gathered, eraser: Eraser) -> Gathered | None:
    body = eraser.body(event.body)
    return structs.replace(event, body=body, event=eraser.event(event.event)) if body else None


def unpacked(blob: bytes) -> bytes:
    """Return the decompressed content of a blob, or the blob itself if it cannot be decompressed."""
    try:
        return batch.decompress(blob)
    except (ValueError, zstandard.ZstdError):
        return blob


def key_text(name: bytes) -> str:
    """Decode a name so that the driver encodes it to the same bytes again, even if it is not UTF-8."""
    return name.decode("utf-8", "surrogateescape")
