"""Wrong passwords slow down whoever gives them: each makes the wait before the next longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from time import monotonic

from msgspec import Struct

FREE = 5
"""Failures without any wait: people mistype."""

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
FORGOTTEN_S = 3600.0
"""Without a further failure for so long, all is as at first."""

MOST = 10_000
"""Users and addresses that are remembered; beyond, the one whose last failure is longest ago is forgotten."""


class _Failures(Struct):
    count: int
    last_s: float


class LoginThrottle:
    """Counts failures by key: `user:ann`, `address:203.0.113.7`. Whether a user exists makes no difference."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, _Failures] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def wait_s(self, keys: Iterable[str]) -> float:
        """Seconds until the next try is looked at, the longest of these keys; 0 for at once."""
        return max((self._wait_s(key) for key in keys), default=0.0)

    def failed(self, keys: Iterable[str]) -> None:
        """Note one failure for each key."""
        now_s = self._clock()
        for key in keys:
            known = self._failures.pop(key, None)
            is_old = known is None or now_s - known.last_s > FORGOTTEN_S
            if known is None and len(self._failures) >= MOST:
                del self._failures[next(iter(self._failures))]
            self._failures[key] = _Failures(1 if is_old or known is None else known.count + 1, now_s)

    def passed(self, keys: Iterable[str]) -> None:
        """Forget the failures of these keys: the right password was given."""
        for key in keys:
            self._failures.pop(key, None)

    def _wait_s(self, key: str) -> float:
        known = self._failures.get(key)
        if known is None or known.count < FREE:
            return 0.0
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(known.count - FREE, 16))
        return max(0.0, known.last_s + wait_s - self._clock())


def address_key(address: str) -> str:
    """The key of an address; of an IPv6 one its /64 network, which is one household's."""
    try:
        found = ip_address(address)
    except ValueError:
        return "address:?"
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        return f"address:{int(found) >> 64:x}"
    return f"address:{found}"
