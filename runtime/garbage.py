"""How often Python looks for garbage."""

from __future__ import annotations

import gc

_OBJECTS = 10_000
"""How many new objects cause a collection of the youngest ones. Python's default is 700."""


def collect_rarely() -> None:
    """Make garbage collections rare, and exclude the objects that exist now.

    For a process that has loaded its modules and config, and begins to serve. They stay until it ends, and to
    search them for cycles costs much CPU time: a full collection stopped a receiver for 40 to 120 ms.
    """
    gc.freeze()
    gc.set_threshold(_OBJECTS)
