"""Processes whose clock is wrong: Debian's libfaketime changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs import lacks


def clock_off_by(seconds: float) -> dict[str, str]:
    """Return the environment of a process whose clock is wrong by so much; its monotonic clock is right.

    The test is skipped where the program `faketime` is not installed.
    """
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not libraries:
        pytest.skip(lacks("faketime"))
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME": f"{seconds:+.0f}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
