"""How long to wait before the next try of something that failed."""

from __future__ import annotations

import random

from msgspec import Struct

_MAX_DOUBLINGS = 16


class Backoff(Struct, frozen=True):
    """Waits that double with each failure in a row, up to a limit."""

    first_s: float
    """Seconds to wait after the first failure."""

    longest_s: float
    """Seconds that no wait exceeds."""

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row, counted from 1; without jitter."""
        doublings = min(max(0, failures - 1), _MAX_DOUBLINGS)
        return min(self.longest_s, self.first_s * 2.0**doublings)

    def jittered_s(self, failures: int) -> float:
        """The delay, shortened at random by up to half."""
        # Many processes lose Redis in the same moment; they must not all come back in the same moment.
        return self.delay_s(failures) * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
