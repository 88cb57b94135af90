"""Counts failed logins by user and by address. Each failure makes the wait before the next attempt longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from time import monotonic

from msgspec import Struct

# People mistype.
FREE = 5
"""Failures without a wait."""

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
FORGOTTEN_S = 3600.0
"""Seconds without a failure after which the count starts again at 0."""

MOST = 10_000
"""Most users and addresses that are remembered. Beyond it the one with the oldest failure is forgotten."""


class _Failures(Struct):
    count: int
    last_s: float


class LoginThrottle:
    """Counts failures by key: `user:ann`, `address:203.0.113.7`. Users that do not exist are counted too."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: dict[str, _Failures] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def wait_s(self, keys: Iterable[str]) -> float:
        """Seconds until the next attempt is checked: the longest wait of these keys, or 0."""
        return max((self._wait_s(key) for key in keys), default=0.0)

    def failed(self, keys: Iterable[str]) -> None:
        """Count one failure for each key."""
        now_s = self._clock()
        for key in keys:
            failures = self._failures.pop(key, None)
            is_old = failures is None or now_s - failures.last_s > FORGOTTEN_S
            if failures is None and len(self._failures) >= MOST:
                del self._failures[next(iter(self._failures))]
            self._failures[key] = _Failures(1 if is_old or failures is None else failures.count + 1, now_s)

    def passed(self, keys: Iterable[str]) -> None:
        """Forget the failures of these keys after a correct password."""
        for key in keys:
            self._failures.pop(key, None)

    def _wait_s(self, key: str) -> float:
        failures = self._failures.get(key)
        if failures is None or failures.count < FREE:
            return 0.0
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures.count - FREE, 16))
        return max(0.0, failures.last_s + wait_s - self._clock())


def address_key(address: str) -> str:
    """The key of an address; for IPv6, the key of its /64 network, since a household has a whole network."""
    try:
        ip = ip_address(address)
    except ValueError:
        return "address:?"
    if isinstance(ip, IPv6Address) and not ip.ipv4_mapped:
        return f"address:{int(ip) >> 64:x}"
    return f"address:{ip}"
