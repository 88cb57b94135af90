"""The newest event that was notified, for rules that only want the latest.

Webhooks come out of order. Before a notification goes out it takes the turn of its subject, so that no two of
one subject are under way at once. The step that records what came of it (broker/steps/settle.py) ends the turn,
and where it was sent, remembers its event's time.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct

from broker.redis import keys, scripts
from broker.redis.client import Client
from broker.redis.errors import translated

Answer = Literal["go", "wait", "stale"]

_SLOWEST_TRY_MS = 60_000
"""No channel's time-out is longer."""


class SubjectLock(Struct, frozen=True, array_like=True):
    """What a notification that only counts as the latest goes out by."""

    subject: str
    """Of what it is the latest: see `subject_id`."""

    key: str
    """The notification's idempotency key."""

    occurred_at_ms: int
    """The event's own time."""


def subject_id(source: str, rule: str, channel: str, key: str) -> str:
    """What the newest is asked for; `key`: what the rule's `latest_only` comes to for the event."""
    text = "\x1f".join((source, rule, channel, key))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


async def acquire_subject_lock(redis: Client, lock: SubjectLock, *, lease_s: float) -> Answer:
    """May this notification go out now?

    `stale`: an event newer than this was notified. `wait`: another notification of this subject is under way. The
    same notification may go again at once, after a crash. Raises BrokerError.

    A turn whose worker died ends by itself, but not before the job's lease has ended and the same notification had
    the time of another try: else an older one would overtake it. lease_s: see `[worker]`.
    """
    lasts_ms = int(2000 * lease_s) + _SLOWEST_TRY_MS
    with translated():
        answer = await scripts.ACQUIRE_SUBJECT_LOCK(
            redis, lock.subject, lock.key, lock.occurred_at_ms, lasts_ms, keys.LATEST_TTL_S
        )
    return answer.decode()  # type: ignore[no-any-return]
