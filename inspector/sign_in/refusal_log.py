"""Logs sign-ins that were refused, one line a second at most, since each request of a client may be one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

_LOG_EVERY_S = 1.0

log = logging.getLogger("hookline.inspector")


class RefusalLog:
    """Counts refused sign-ins, and logs the newest of them with the number since the last line."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._unlogged = 0
        self._logged_s = float("-inf")

    def refused(self, how: str, reason: str, address: str) -> None:
        """Log a refused sign-in. `reason` must not contain what the client sent."""
        self._unlogged += 1
        now_s = self._clock()
        if now_s - self._logged_s < _LOG_EVERY_S:
            return
        log.warning(
            "rejected %d sign-ins; the last was by %s from %s: %s",
            self._unlogged,
            how,
            address,
            reason,
            extra={"action": f"inspector_{how}_refused", "address": address, "count": self._unlogged},
        )
        self._unlogged, self._logged_s = 0, now_s
