"""Removing what belongs to a person from all that waits: each change is one step in Redis. All raise BrokerError.

What is of the person is for the caller to say: `is_theirs` of a body.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Literal

import msgspec
import zstandard
from msgspec import structs

from broker import batch, digests, jobs, scripts
from broker.actions import Order
from broker.batch import RawBody, UnreadableBatchError
from broker.client import Client
from broker.dead import Grave, Note, packed
from broker.dead.packing import repacked, unpacked_notes
from broker.digests import UnreadableMemberError
from broker.errors import translated
from broker.jobs import Notification, NotifyJob, Packed, UnreadableJobError
from broker.scripts import Blobs

_PAGE = 50

IsTheirs = Callable[[RawBody], bool]
IsIn = Callable[[bytes], bool]
"""Whether bytes that nobody can read hold the person's id or address."""

Outcome = Literal["removed", "busy", "unreadable"]
Found = tuple[Outcome, str, int]
"""(what became of it, its name in Redis, how many were removed)."""

_encode = msgspec.msgpack.Encoder().encode


async def webhooks(redis: Client, is_theirs: IsTheirs, is_in: IsIn) -> AsyncIterator[Found]:
    """Remove bodies from the queue: `busy` are entries of theirs that a worker has just now."""
    start = "-"
    while True:
        with translated():
            entries = await redis.xrange(redis.names.stream, min=start, count=_PAGE)
        for name, fields in entries:
            found = await _of_entry(redis, name.decode(), fields, is_theirs, is_in)
            if found:
                yield found
        if len(entries) < _PAGE:
            return
        start = f"({entries[-1][0].decode()}"


async def _of_entry(
    redis: Client, name: str, fields: dict[bytes, bytes], is_theirs: IsTheirs, is_in: IsIn
) -> Found | None:
    try:
        bodies = batch.decode(fields.get(b"z", b""))
    except UnreadableBatchError:
        return ("unreadable", name, 0) if is_in(unpacked(fields.get(b"z", b""))) else None
    stay = [body for body in bodies if not is_theirs(body)]
    gone = len(bodies) - len(stay)
    if not gone:
        return None
    any_age = "any age" if b"a" in fields else ""
    with translated():
        done = await scripts.FORGET_ENTRY(redis, name, gone, len(stay), batch.encode(stay), any_age)
    return None if done == 0 else ("removed", name, gone) if done == 1 else ("busy", name, 0)


async def notifications(redis: Client, is_theirs: IsTheirs, is_in: IsIn) -> AsyncIterator[Found]:
    """Remove notifications from jobs that are due, held or to be tried again; `busy` are those that run now."""
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.job}*", count=1000):
            found = await _of_job(redis, _text(key)[len(redis.names.job) :], is_theirs, is_in)
            if found:
                yield found


async def _of_job(redis: Client, name: str, is_theirs: IsTheirs, is_in: IsIn) -> Found | None:
    blob = await jobs.raw(redis, name)
    read = jobs.deserialize(blob) if blob else {"f": "", "a": ()}
    if read["f"] not in (jobs.NOTIFY, jobs.UNREADABLE):
        return None
    try:
        job = jobs.decode(_argument(read["a"]))
    except UnreadableJobError:
        arguments = [unpacked(part.blob) for part in read["a"] if isinstance(part, Packed)]
        return ("unreadable", name, 0) if any(is_in(part) for part in arguments) else None
    left = [_without(notification, is_theirs) for notification in job.notifications]
    stay = [place for place, notification in enumerate(left) if notification is not None]
    if left == job.notifications:
        return None
    kept = [notification for notification in left if notification is not None]
    heir = NotifyJob(job.channel, job.attempt, job.first_try_ms, kept)
    leave = [place for place, notification in enumerate(left) if notification is None]
    plan = _encode((name, jobs.new_job_id(len(kept)), job.channel, leave, stay))
    with translated():
        done, gone = await scripts.FORGET_JOB(redis, plan, blob, jobs.encode(heir))
    return None if done == 0 else ("removed", name, int(gone)) if done == 1 else ("busy", name, 0)


def _argument(arguments: Sequence[object]) -> Packed:
    if len(arguments) == 1 and isinstance(arguments[0], Packed):
        return arguments[0]
    raise UnreadableJobError("not one argument")


def _without(notification: Notification, is_theirs: IsTheirs) -> Notification | None:
    """What stays of it: nothing, or of a digest the events of others."""
    body = notification.body
    if not notification.digest:
        return None if is_theirs(body) else notification
    stay, gone = others(body.body, is_theirs)
    if not gone:
        return notification
    return structs.replace(notification, body=structs.replace(body, body=stay)) if stay else None


def others(body: bytes, is_theirs: IsTheirs) -> tuple[bytes, int]:
    """(a digest's body with the events of others, b"" where there is none; how many were of the person)."""
    try:
        members = msgspec.json.decode(body, type=list[digests.Member])
    except ValueError:
        return body, 0
    stay = [one for one in members if not is_theirs(_webhook(one))]
    return msgspec.json.encode(stay) if stay else b"", len(members) - len(stay)


def _webhook(member: digests.Member) -> RawBody:
    return RawBody(member.received_at_ms, member.source, member.event, bytes(member.body))


async def gathered(redis: Client, is_theirs: IsTheirs, is_in: IsIn) -> AsyncIterator[Found]:
    """Remove events from digests whose window is open; one that nothing is left of was one that waited."""
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.digest}*", count=1000):
            for found in await _of_digest(redis, _text(key)[len(redis.names.digest) :], is_theirs, is_in):
                yield found


async def _of_digest(redis: Client, name: str, is_theirs: IsTheirs, is_in: IsIn) -> list[Found]:
    with translated():
        blobs: list[bytes] = await redis.lrange(redis.names.digest + name, 0, -1)  # type: ignore[misc]
    leave: list[bytes] = []
    stay: list[int] = []  # channels of each event that stays
    lost: list[bytes] = []
    for blob in blobs:
        try:
            event = digests.unpacked(blob)
        except UnreadableMemberError:
            lost.append(blob)
            continue
        if is_theirs(event.body):
            leave.append(blob)
        else:
            stay.append(len(event.channels))
    found: list[Found] = [("unreadable", name, 0)] if any(is_in(unpacked(blob)) for blob in lost) else []
    if not leave:
        return found
    channels = stay[0] if stay else -1 if lost else 0
    with translated():
        done = await scripts.FORGET_GATHERED(redis, name, blobs[0], channels, *leave)
    return [*found, ("removed", name, len(leave)) if done else ("busy", name, 0)]


async def orders(redis: Client, cleaned: Callable[[Order], Order]) -> int:
    """Write the orders of actions anew, as `cleaned` says; how many that were."""
    with translated():
        names = [_text(name) for name in await redis.zrange(redis.names.actions, 0, -1)]
    changed = 0
    for name in names:
        with translated():
            blob: bytes | None = await redis.hget(redis.names.action + name, "a")  # type: ignore[misc]
        order = _order(blob)
        if blob and order and cleaned(order) != order:
            with translated():
                changed += int(await scripts.REWRITE_ORDER(redis, name, blob, _encode(cleaned(order))))
    return changed


async def notes(redis: Client, is_about: Callable[[Note], bool]) -> int:
    """Remove notes from dead letters; how many that were. Only letters with notes are looked at."""
    gone = 0
    with translated():
        async for key in redis.scan_iter(match=f"{redis.names.dead_notes}*", count=1000):
            blob = await redis.get(key) or b""
            found = _notes(blob)
            stay = [note for note in found if not is_about(note)]
            if len(stay) < len(found):
                name = _text(key)[len(redis.names.dead_notes) :]
                if await scripts.REWRITE_NOTES(redis, name, blob, _encode(stay) if stay else b""):
                    gone += len(found) - len(stay)
    return gone


async def seen(redis: Client, ids: Sequence[str]) -> dict[str, str]:
    """What tells later whether letters are still as they are read after this; by id, of those that are there."""
    with translated():
        found = await redis.mget([redis.names.dead + name for name in ids])
    rows = zip(ids, found, strict=True)
    return {name: hashlib.sha1(blob, usedforsecurity=False).hexdigest() for name, blob in rows if blob}


async def rebury(redis: Client, grave: Grave, as_seen: str) -> bool:
    """Give a dead letter another body; all else stays. False where it has gone, or is not as it was seen."""
    blobs = Blobs(before=2)
    plan = _encode(packed(grave, blobs.place))
    with translated():
        return bool(await scripts.REBURY(redis, plan, as_seen, *blobs.all))


async def dictionaries(redis: Client, is_in: IsIn) -> list[str]:
    """The dictionaries of dead letters that were made from the person's."""
    with translated():
        names = [_text(name) for name in await redis.hkeys(redis.names.dead_dicts)]  # type: ignore[misc]
        blobs = [await redis.get(redis.names.dead_dict + name) for name in names]
    return [name for name, blob in zip(names, blobs, strict=True) if blob and is_in(unpacked(blob))]


async def repack(redis: Client, dictionary: str, letters: Sequence[Grave], as_seen: Mapping[str, str]) -> int:
    """Pack letters without their dictionary; how many that were, and those that are others by now and stay so."""
    named = [grave for grave in letters if grave.letter.id in as_seen]
    parts = [(grave.letter.id, as_seen[grave.letter.id], *repacked(grave)) for grave in named]
    with translated():
        return int(await scripts.REPACK(redis, dictionary, *(part for letter in parts for part in letter)))


def unpacked(blob: bytes) -> bytes:
    """What it holds as far as can be told; the blob itself where it is not compressed."""
    try:
        return batch.decompress(blob)
    except (ValueError, zstandard.ZstdError):
        return blob


def _order(blob: bytes | None) -> Order | None:
    """None for one that cannot be read."""
    try:
        return msgspec.msgpack.decode(blob, type=Order) if blob else None
    except (ValueError, RecursionError):
        return None


def _notes(blob: bytes) -> tuple[Note, ...]:
    """None of those that cannot be read."""
    try:
        return unpacked_notes(blob)
    except (ValueError, RecursionError):
        return ()


def _text(name: bytes) -> str:
    """A name that is no text stays what it is on its way back to Redis."""
    return name.decode("utf-8", "surrogateescape")
