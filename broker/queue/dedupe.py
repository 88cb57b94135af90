"""Determines the Redis set that remembers the identity of an event.

The identity is added to the set of the event's own day, so that a redelivery some days later finds it in the same
set. An event without a time goes into the set of the period in which it is committed, by the clock of Redis, and
the sets of the other periods of the window are checked too. The 4096 buckets of 63-bit integers keep each set
small enough to be an intset, which takes about 9 bytes an event.

The commit (commit.lua) sets the expiry of a set: at least one window after any of its identities was last seen.
The expiry never becomes shorter.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

DAY_MS = 86_400_000
# A set expires at the end of a period, so a short window with periods of a day would last much longer than asked.
SHORT_PERIOD_MS = DAY_MS // 4
"""The length of a period for windows of less than two days."""


class Mark(Struct, frozen=True, array_like=True):
    """The place of an identity in the dedupe sets."""

    key: str
    """The key of the set, without the prefix of the namespace. Its period is `%d` for an event without time."""

    member: str
    window_ms: int
    """For how long the identity is remembered after it was seen."""

    period_ms: int
    """The length of a period. Sets expire at the end of a period."""

    is_dated: bool
    """True if the event has a time of its own."""

    @property
    def bucket(self) -> int:
        """The bits of the identity's hash that name its set, 0 to 4095. They determine the home of the event."""
        return int(self.key[self.key.rindex(":") + 1 :])

    @property
    def term(self) -> str:
        """The search term by which commit.lua finds a dead letter of the event when the event is redelivered."""
        return f"seen:{self.member}"


def mark(source: str, identity: str, *, occurred_at_ms: int | None, window_ms: int) -> Mark:
    """Return where the identity of an event is remembered, for at least `window_ms` after it was last seen."""
    text = f"{source}\x1f{identity}".encode()
    digest = int.from_bytes(hashlib.blake2b(text, digest_size=10).digest(), "big")
    bucket = digest & 0xFFF
    period_ms = DAY_MS if window_ms >= 2 * DAY_MS else SHORT_PERIOD_MS
    is_dated = occurred_at_ms is not None
    period = str(occurred_at_ms // period_ms) if occurred_at_ms is not None else "%d"
    kind = "" if period_ms == DAY_MS else "short:"
    return Mark(
        key=f"dedupe:{source}:{kind}{period}:{bucket}",
        member=str((digest >> 12) & 0x7FFF_FFFF_FFFF_FFFF),
        window_ms=window_ms,
        period_ms=period_ms,
        is_dated=is_dated,
    )
