"""Stops the clocks of this process, so that what it does depends on no time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import uvloop

_STRETCH = 100_000
"""The factor by which timers take longer: none of them ends during a measurement."""


def stop() -> None:
    """Stop the clocks of Python. Must run before modules are imported that import their functions."""
    now_s, now_ns, clock_s = time.time(), time.time_ns(), time.monotonic()
    time.time, time.time_ns = lambda: now_s, lambda: now_ns
    time.monotonic = time.perf_counter = lambda: clock_s


class StoppedLoop(uvloop.Loop):
    """An event loop whose timers do not end."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, **options: Any) -> Any:
        """Call back much later than `delay` says."""
        return super().call_later(delay * _STRETCH, callback, *args, **options)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, **options: Any) -> Any:
        """Call back much later than `when` says."""
        now_s = self.time()
        return super().call_at(now_s + (when - now_s) * _STRETCH, callback, *args, **options)
