"""Where an identity is remembered.

An event goes into the set of its own day, so that a redelivery days later meets the same key. One without a time
of its own goes into the set of the period in which it is committed, by the clock of Redis, and the other periods
of the window are looked at too. 4096 buckets of 63-bit integers keep each set an intset: about 9 bytes an event.

How long a set lives is decided by the commit (commit.lua): at least a window from when any of its identities was
last seen. Nothing makes it live shorter.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct

DAY_MS = 86_400_000
SHORT_PERIOD_MS = DAY_MS // 4
"""The periods of windows of less than two days, so that these are not remembered for much longer than asked."""


class Mark(Struct, frozen=True, array_like=True):
    """One identity in the dedupe sets."""

    key: str
    """The set, without the prefix of the namespace; without a time of its own `%d` stands for the period."""

    member: str
    window_ms: int
    """For how long it is to be remembered, from when it is seen."""

    period_ms: int
    """The length of a period: sets expire at the end of one."""

    is_dated: bool
    """Whether the event has a time of its own."""

    @property
    def term(self) -> str:
        """What a dead letter of the event is found by when the event comes once more: see commit.lua."""
        return f"seen:{self.member}"


def mark(source: str, identity: str, *, occurred_at_ms: int | None, window_ms: int) -> Mark:
    """Where this event is, or is to be, remembered for at least `window_ms` from when it was last seen."""
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
