"""The arq jobs that carry notifications: their codec, and what happens to them in Redis.

A job with more fields than this version knows is unreadable to it: a worker leaves it to a newer one. A change
that more fields do not tell must take another function name than `notify`.

A job's id ends in the number of its notifications (`0abc...xyz.64`), so that even a job that nobody can read
can be counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import zstandard
from msgspec import Struct

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.redis import scripts
from broker.redis.client import Client
from broker.redis.errors import translated
from runtime.ids import new_id

MAX_NOTIFICATIONS = 64
NOTIFY = "notify"
"""Name of the arq function that runs these jobs."""

_STARTS_KEPT_S = 86_400

UNREADABLE = "unreadable"
"""Name of the arq function that buries what the deserializer could not read."""


class Attempt(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One try of one notification."""

    at_ms: int
    took_ms: int
    outcome: str
    """`retry`, `permanent` ..."""

    error: str
    answer: str = ""
    """What the other side said, shortened."""


class Notification(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One message to one recipient by one rule, still to be rendered."""

    key: str
    """Idempotency key: the same across attempts, re-runs and replays."""

    rule: str
    event: str
    """Event name."""

    body: RawBody
    attempts: tuple[Attempt, ...] = ()
    """What was tried since the last replay, oldest first."""

    digest: bool = False
    """It is of several events: its body is the list of them that broker/steps/digests.py makes."""


class NotifyJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """At most 64 notifications for one channel, all at the same attempt."""

    channel: str
    attempt: int
    """Number of the try that this job makes (starts at 1)."""

    first_try_ms: int
    """When the first try was due, by the clock of Redis; 0 for a job that is not in Redis yet."""

    notifications: list[Notification]


class Packed:
    """The argument of an arq job. arq writes the repr of every argument into a string; this one's is short."""

    __slots__ = ("blob",)

    def __init__(self, blob: bytes) -> None:
        self.blob = blob

    def __repr__(self) -> str:
        return f"<{len(self.blob)} bytes>"


class UnreadableJobError(Exception):
    """The bytes are not a job that this version can read."""


_encoder = msgspec.msgpack.Encoder()
_lenient_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_job_decoder = msgspec.msgpack.Decoder(NotifyJob)
_any_decoder = msgspec.msgpack.Decoder()


def new_job_id(size: int) -> str:
    """A fresh id for a job of `size` notifications."""
    return f"{new_id()}.{size}"


def size_of(job_id: str) -> int:
    """How many notifications a job carries; 0 for a job of another kind."""
    _, _, size = job_id.rpartition(".")
    return int(size) if size.isdecimal() and len(size) < 10 else 0


def due_now(job: NotifyJob, now_ms: int) -> NotifyJob:
    """A job as it goes to Redis: its first try is due now, unless it has been tried."""
    return job if job.first_try_ms else msgspec.structs.replace(job, first_try_ms=now_ms)


def encode(job: NotifyJob) -> bytes:
    """A job as arq keeps it."""
    blob = batch.compress(_encoder.encode(job))
    return _encoder.encode({"t": None, "f": NOTIFY, "a": (blob,), "k": {}, "et": 0})


def decode(packed: Packed) -> NotifyJob:
    """What `encode` packed. Raises UnreadableJobError and nothing else."""
    try:
        return _job_decoder.decode(batch.decompress(packed.blob))
    except (ValueError, RecursionError, TypeError, zstandard.ZstdError) as error:
        raise UnreadableJobError(str(error)) from None


def decode_whole(job_id: str, packed: Packed) -> NotifyJob:
    """The same of a job that carries as many notifications as its id says. Raises UnreadableJobError."""
    job = decode(packed)
    if len(job.notifications) != size_of(job_id):
        raise UnreadableJobError(
            f"it carries {len(job.notifications)} notifications, its id says {size_of(job_id)}"
        )
    return job


def serialize(job: Mapping[str, Any]) -> bytes:
    """arq's job_serializer. Never raises: what msgpack does not know, an exception say, becomes its text."""
    return _lenient_encoder.encode(job)


def deserialize(data: bytes) -> dict[str, Any]:
    """arq's job_deserializer. Never raises: arq deletes a job whose deserializer does."""
    try:
        job = _any_decoder.decode(data)
        arguments = tuple(Packed(a) if isinstance(a, bytes) else a for a in job["a"])
        return {"t": job["t"], "f": str(job["f"]), "a": arguments, "k": dict(job["k"]), "et": int(job["et"])}
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it becomes a dead letter
        return {"t": None, "f": UNREADABLE, "a": (Packed(data), str(error)), "k": {}, "et": 0}


class Claimed(NamedTuple):
    """A job to be run now."""

    id: str
    blob: bytes
    """As arq keeps it."""

    starts: int
    """How often it was started, this time included."""

    held_ms: int
    """For how long its channel did not take it so far."""

    done: frozenset[int]
    """Its notifications that are done with: sent, dead, put off, or duplicates."""


async def claim(redis: Client, owner: str, *, count: int, lease_ms: int) -> list[Claimed]:
    """Take up to `count` due jobs in the name of `owner` for `lease_ms`, to be started at once.

    Raises BrokerError.
    """
    with translated():
        claimed = await scripts.CLAIM(redis, owner, count, lease_ms, _STARTS_KEPT_S)
    return [
        Claimed(job.decode(), blob, starts, held_ms, frozenset(map(int, done)))
        for job, blob, starts, held_ms, done in claimed
    ]


async def extend(redis: Client, owner: str, jobs: Sequence[str], *, lease_ms: int) -> list[str]:
    """Renew the leases of running jobs; returns the jobs whose lease is not the owner's any more.

    Raises BrokerError.
    """
    with translated():
        return [job.decode() for job in await scripts.EXTEND(redis, owner, lease_ms, *jobs)]


async def release(
    redis: Client, owner: str, job_id: str, *, delay_ms: int = 0, forget_start: bool = False
) -> None:
    """Give a job back unfinished, to be run after `delay_ms`.

    Nothing happens to one that is done with, or that another worker has taken over.
    forget_start: this start does not count towards those after which a job is taken for poison.
    Raises BrokerError.
    """
    with translated():
        await scripts.RELEASE(redis, owner, job_id, delay_ms, "forget" if forget_start else "")


async def defer(redis: Client, owner: str, job_id: str, *, for_ms: int) -> bool:
    """Leave a job that this worker does not understand to others, due in 1 to 15 s.

    False where a worker first met it `for_ms` ago: nobody seems to understand it. The start does not count.
    Raises BrokerError.
    """
    with translated():
        return bool(await scripts.DEFER_JOB(redis, owner, job_id, for_ms))


async def show_life(redis: Client, key: str, config: str, *, lasts_ms: int) -> None:
    """This worker is alive, and runs with a config of this fingerprint. Raises BrokerError."""
    with translated():
        await scripts.SHOW_LIFE(redis, key, config, lasts_ms)


async def raw(redis: Client, job_id: str) -> bytes:
    """The job as arq keeps it; empty where it is gone. Raises BrokerError."""
    with translated():
        return await redis.get(redis.names.job + job_id) or b""


async def settled_indices(redis: Client, job_id: str) -> set[int]:
    """The notifications of a job that are done with: sent, dead, put off, or duplicates. Raises BrokerError."""
    with translated():
        return {int(index) for index in await redis.smembers(redis.names.done + job_id)}  # type: ignore[misc]
