"""How much of the CPU of this host is unused."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

_STAT = Path("/proc/stat")


async def idle_cores(seconds: float) -> float | None:
    """Measure for some seconds how many cores of this host are idle; None if the host does not say (not Linux)."""
    before = _idle_ticks()
    await asyncio.sleep(seconds)
    after = _idle_ticks()
    if before is None or after is None:
        return None
    return (after - before) / os.sysconf("SC_CLK_TCK") / seconds


def _idle_ticks() -> int | None:
    """Return for how long the cores were idle since the start of the host, all of them together."""
    try:
        fields = (
            _STAT.read_text("ascii").partition("\n")[0].split()
        )  # proc_stat(5): cpu user nice system idle iowait
        # Some sandboxes show zeros.
        return int(fields[4]) + int(fields[5]) or None
    except (OSError, ValueError, IndexError):
        return None
