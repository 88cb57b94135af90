"""Skips events that are older than the last one notified, for rules with `latest_only`.

Webhooks arrive out of order. Before a notification is sent it acquires the lock of its subject, so that two
notifications of one subject are never sent at the same time. The step that records the outcome
(broker/steps/settle.py) releases the lock. If the notification was sent, it also stores the time of the event.

The lock is in the partition of the subject. For a job of another partition, `release_subject_lock` does this
before the outcome is recorded. If the process dies in between, the job runs again, which may only repeat the
newest event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from broker.redis.client import Client
from broker.redis.confirmation import replicated
from broker.redis.errors import NotDurable, translated
from broker.redis.scripting.scripts import FULL, Script

LockResult = Literal["go", "wait", "stale"]

USABLE_S = 5.0
"""Seconds after which a lock has to be acquired again before its notification is sent."""

_SLOWEST_TRY_MS = 60_000
"""The longest time-out that a channel can have."""


_RELEASE_SUBJECT_LOCK = Script(
    "queue/subjects/release",
    parts=(FULL,),
    keys=("latest:subject",),
    args=("subject", "idempotency_key", "occurred_at_ms: number", "sent: number", "release: number"),
)


class SubjectLock(Struct, frozen=True, array_like=True):
    """The lock that a notification with `latest_only` needs before it is sent."""

    subject: str
    """The subject of the event: see `subject_id`."""

    key: str
    """The idempotency key of the notification, which owns the lock."""

    occurred_at_ms: int
    """The time of the event, in ms since 1970."""


_ACQUIRE_SUBJECT_LOCKS = Script(
    "queue/subjects/acquire",
    parts=(FULL,),
    keys=("claims", "layout"),
    args=("layout", "lasts_ms: number", "lease_ms: number", "locks: packed"),
    records={"LOCK": SubjectLock},
)


def subject_id(source: str, rule: str, channel: str, key: str) -> str:
    """Return the id of a subject, of which only the newest event is notified.

    key: the value of the rule's `latest_only` for the event.
    """
    text = "\x1f".join((source, rule, channel, key))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


async def acquire_subject_locks(
    redis: Client, locks: Sequence[SubjectLock], *, lease_s: float, replicas: int = 0
) -> list[LockResult]:
    """Try to acquire the locks of subjects, each for one notification. Returns a result for each.

    It is `go` if the notification may be sent within USABLE_S, `wait` if another notification of the subject is
    being sent or the number of partitions changes, and `stale` if a newer event was notified. After a crash the
    same notification may acquire its lock again.
    lease_s: the lease of jobs, see `[worker]`. replicas: how many must have the locks for `go`, so that a failover
    does not lose them. Raises BrokerError.
    """
    # The lock of a dead worker expires by itself. It must last until the lease of the job has ended and the same
    # notification had time for another attempt. Otherwise an older notification would overtake it.
    lasts_ms = int(1000 * (2 * lease_s + USABLE_S)) + _SLOWEST_TRY_MS
    with translated():
        answers, has_replicas = await replicated(
            redis,
            replicas,
            _ACQUIRE_SUBJECT_LOCKS,
            layout=redis.layout,
            lasts_ms=lasts_ms,
            lease_ms=int(1000 * lease_s),
            locks=locks,
        )
    # A server that was frozen does not know yet that it is no longer the primary, nor what was sent since.
    if not has_replicas:
        return ["wait"] * len(locks)
    return [answer.decode() for answer in answers]


async def release_subject_lock(
    redis: Client, lock: SubjectLock, *, is_sent: bool, is_owner: bool, replicas: int = 0
) -> None:
    """Store the time of an event that was sent, and release its lock. For a job of another partition.

    is_owner: False if the lease of the job may have ended, so that another worker may be sending the same
    notification: then the lock stays. replicas: how many must have the time of an event that was sent. Safe to
    repeat. Raises BrokerError; NotDurable if too few replicas have the time.
    """
    with translated():
        _, has_replicas = await replicated(
            redis,
            replicas,
            _RELEASE_SUBJECT_LOCK,
            subject=lock.subject,
            idempotency_key=lock.key,
            occurred_at_ms=lock.occurred_at_ms,
            sent=int(is_sent),
            release=int(is_owner),
        )
    # A failover would undo the time and the release, but not the outcome, which is in another partition. Then
    # nothing would stop an older event once the lock has ended.
    if is_sent and not has_replicas:
        raise NotDurable("too few replicas have the time of a subject's newest event")
