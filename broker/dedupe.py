"""Where an identity is remembered.

An event goes into the set of its own day, so that a redelivery days later meets the same key. One without a time
of its own goes into the set of the day it came, and the earlier days of the window are looked at too.
4096 buckets of 63-bit integers keep each set an intset: about 9 bytes an event.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

DAY_MS = 86_400_000


class Mark(Struct, frozen=True, array_like=True):
    """One identity in the dedupe sets."""

    key: str
    member: str
    expire_at_ms: int
    """When the key may go: the end of the day of receipt, plus the window."""

    refresh: bool
    """The key may be older than this receipt, so its expiry may have to move on."""

    earlier_keys: tuple[str, ...]
    """Further keys where the identity may already be."""

    @property
    def term(self) -> str:
        """What a dead letter of the event is found by when the event comes once more: see commit.lua."""
        return f"{self.key}:{self.member}"


def mark(source: str, identity: str, *, occurred_at_ms: int | None, received_at_ms: int, window_days: int) -> Mark:
    """Where this event is, or is to be, remembered for at least `window_days` from its receipt."""
    digest = int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=10).digest(), "big")
    bucket = digest & 0xFFF
    received_day = received_at_ms // DAY_MS
    expire_at_ms = (received_day + 1 + window_days) * DAY_MS
    if occurred_at_ms is None:
        day = received_day
        earlier = tuple(f"dedupe:{source}:{day - ago}:{bucket}" for ago in range(1, window_days + 1))
    else:
        day = occurred_at_ms // DAY_MS
        earlier = ()
    return Mark(
        key=f"dedupe:{source}:{day}:{bucket}",
        member=str((digest >> 12) & 0x7FFF_FFFF_FFFF_FFFF),
        expire_at_ms=expire_at_ms,
        refresh=day != received_day,
        earlier_keys=earlier,
    )
