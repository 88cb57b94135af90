"""The arq jobs that contain notifications: their encoding, and the operations on them in Redis.

If a job has more fields than this version knows, it is unreadable, and a worker leaves it to a newer worker. A
change of the format that does not add a field must use another function name than `notify`.

The id of a job ends with the number of its notifications (`0abc...xyz.64`), so that the notifications of an
unreadable job can be counted too. Before it may stand what the job waits for: see broker/queue/waiting/cause.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import zstandard
from msgspec import Struct

from broker.queue import batch
from broker.queue.batch import RawBody
from broker.queue.waiting.cause import Deferral, with_mark
from broker.redis.client import Client
from broker.redis.errors import translated
from runtime.ids import new_id

MAX_NOTIFICATIONS = 64
NOTIFY = "notify"
"""The name of the arq function that runs these jobs."""

UNREADABLE = "unreadable"
"""The name of the arq function that makes a dead letter of a job that the deserializer could not read."""


class Attempt(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A record of one attempt to send a notification."""

    at_ms: int
    took_ms: int
    outcome: str
    """How the attempt ended: `retry`, `permanent` and others."""

    error: str
    answer: str = ""
    """The response of the receiver of the notification, shortened."""


class Notification(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A message to one recipient by one rule, before it is rendered."""

    key: str
    """The idempotency key. It is the same for all attempts, re-runs and replays."""

    rule: str
    event: str
    body: RawBody
    attempts: tuple[Attempt, ...] = ()
    """The attempts since the last replay, oldest first."""

    digest: bool = False
    """True for a digest. Its body is the list of events that broker/steps/digests.py builds."""


class NotifyJob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """At most 64 notifications for one channel, all with the same attempt number."""

    channel: str
    attempt: int
    """The number of the attempt that this job makes (starts at 1)."""

    first_try_ms: int
    """When the first attempt was due, by the clock of Redis; 0 for a job that is not in Redis yet."""

    notifications: list[Notification]


# arq builds a string from the repr of every argument, so the repr must be short.
class Packed:
    """The argument of an arq job: an encoded `NotifyJob`."""

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


def new_job_id(size: int, waits_for: Deferral | None = None) -> str:
    """Return a new id for a job of `size` notifications, which says what it waits for."""
    return with_mark(new_id(), size, waits_for)


def size_of(job_id: str) -> int:
    """Return how many notifications a job has according to its id; 0 for a job of another kind."""
    _, _, size = job_id.rpartition(".")
    return int(size) if size.isdecimal() and len(size) < 10 else 0


def due_now(job: NotifyJob, now_ms: int) -> NotifyJob:
    """Return a job whose first attempt is due now, or the job itself if an earlier attempt has set the time."""
    return job if job.first_try_ms else msgspec.structs.replace(job, first_try_ms=now_ms)


def encode(job: NotifyJob) -> bytes:
    """Encode a job as arq stores it."""
    # Most jobs are in Redis for a moment only.
    blob = batch.compress_quickly(_encoder.encode(job))
    return _encoder.encode({"t": None, "f": NOTIFY, "a": (blob,), "k": {}, "et": 0})


def decode(packed: Packed) -> NotifyJob:
    """Decode the argument of a job that `encode` encoded. Raises UnreadableJobError and nothing else."""
    try:
        return _job_decoder.decode(batch.decompress(packed.blob))
    except (ValueError, RecursionError, TypeError, zstandard.ZstdError) as error:
        raise UnreadableJobError(str(error)) from None


def decode_whole(job_id: str, packed: Packed) -> NotifyJob:
    """Decode a job, and check that it has as many notifications as its id says. Raises UnreadableJobError."""
    job = decode(packed)
    if len(job.notifications) != size_of(job_id):
        raise UnreadableJobError(
            f"it carries {len(job.notifications)} notifications, its id says {size_of(job_id)}"
        )
    return job


def serialize(job: Mapping[str, Any]) -> bytes:
    """Serialize a job for arq (`job_serializer`). Never raises: a value unknown to msgpack becomes its text."""
    return _lenient_encoder.encode(job)


def deserialize(data: bytes) -> dict[str, Any]:
    """Deserialize a job for arq (`job_deserializer`). Never raises: bad data becomes an `UNREADABLE` job."""
    # arq deletes a job if its deserializer raises.
    try:
        job = _any_decoder.decode(data)
        arguments = tuple(Packed(a) if isinstance(a, bytes) else a for a in job["a"])
        return {"t": job["t"], "f": str(job["f"]), "a": arguments, "k": dict(job["k"]), "et": int(job["et"])}
    except Exception as error:  # noqa: BLE001 - with any error the job becomes a dead letter
        return {"t": None, "f": UNREADABLE, "a": (Packed(data), str(error)), "k": {}, "et": 0}


def argument_of(blob: bytes) -> Packed:
    """Return the argument of a job as arq stores it. Raises UnreadableJobError for one of another kind."""
    arguments = deserialize(blob)["a"]
    if len(arguments) == 1 and isinstance(arguments[0], Packed):
        return arguments[0]
    raise UnreadableJobError("not one argument")


async def raw(redis: Client, job_id: str) -> bytes:
    """Return a job as arq stores it; empty if it no longer exists. Raises BrokerError."""
    with translated():
        return await redis.get(redis.names.job + job_id) or b""


async def settled_indices(redis: Client, job_id: str) -> set[int]:
    """Return the indices of a job's settled notifications: see `Claimed.done`. Raises BrokerError."""
    with translated():
        return {int(index) for index in await redis.smembers(redis.names.done + job_id)}  # type: ignore[misc]
