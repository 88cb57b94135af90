"""The newest event that was notified, for rules that only want the latest.

Webhooks come out of order. Before a notification goes out it takes the turn of its subject, so that no two of one
subject are under way at once; after it, the subject remembers the event's time.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from broker import keys, scripts
from broker.client import Client
from broker.errors import translated

Turn = Literal["go", "wait", "stale"]

TURN_MS = 45_000
"""How long a turn lasts whose worker died: longer than any channel's time-out."""


def subject_id(source: str, rule: str, channel: str, key: str) -> str:
    """What the newest is asked for; `key`: what the rule's `latest_only` comes to for the event."""
    text = "\x1f".join((source, rule, channel, key))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


async def take_turn(redis: Client, subject: str, *, key: str, occurred_at_ms: int) -> Turn:
    """May the notification with this idempotency key go out now?

    `stale`: an event newer than this was notified. `wait`: another notification of this subject is under way. The
    same notification may go again at once, after a crash. Raises BrokerError.
    """
    with translated():
        turn = await scripts.TAKE_TURN(redis, subject, key, occurred_at_ms, TURN_MS, keys.LATEST_TTL_S)
    return turn.decode()  # type: ignore[no-any-return]


async def end_turn(redis: Client, subject: str, *, key: str, occurred_at_ms: int, sent: bool) -> None:
    """The notification is out, or not: the next may go. Safe to repeat. Raises BrokerError."""
    with translated():
        await scripts.END_TURN(redis, subject, key, occurred_at_ms if sent else 0, keys.LATEST_TTL_S)
