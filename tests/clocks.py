"""Processes whose clock is off: Debian's libfaketime moves it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def clock_off_by(seconds: float) -> dict[str, str]:
    """The environment of a process whose clock is off by so much; its monotonic clock is right.

    Skips where the program `faketime` is not installed, which a CI must have.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        told = "faketime is not installed (Debian: apt-get install faketime)"
        assert not os.environ.get("CI"), told
        pytest.skip(told)
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{seconds:+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
