"""Tests of .ci/run: it installs what tests need, and nothing is skipped in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.programs import KUBECTL, PACKAGES, THIS_MACHINE

ROOT = Path(__file__).parents[2]
RUN = (ROOT / ".ci" / "run").read_text()

SKIPPED = f"""
import pytest

@pytest.mark.skipif(True, reason="curl is not installed")
def test_a_program() -> None: ...

@pytest.mark.skipif(True, reason="{THIS_MACHINE}IPv6")
def test_a_machine() -> None: ...

@pytest.mark.xfail(strict=True)
def test_a_known_fault() -> None:
    raise AssertionError
"""


def test_ci_looks_for_each_program_and_installs_its_package() -> None:
    (packages,) = re.findall(r"^packages=\((.*)\)$", RUN, re.MULTILINE)
    looked_for, *_ = re.findall(r"^if ! type (.*) >/dev/null", RUN, re.MULTILINE)
    assert set(packages.split()) == set(PACKAGES.values())
    assert set(looked_for.split()) == PACKAGES.keys()
    assert f"type {KUBECTL}" in RUN
    assert f"{KUBECTL}-cli-bin==" in RUN


def test_in_ci_a_test_fails_that_would_be_skipped_for_a_program(tmp_path: Path) -> None:
    file, module = tmp_path / "test_skipped.py", tmp_path / "test_skipped_as_a_whole.py"
    file.write_text(SKIPPED)
    module.write_text("import pytest\npytest.importorskip('no_such_package')\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.programs", "-p", "no:cacheprovider", "-n", "0"]
    ran = subprocess.run(
        [*command, "--continue-on-collection-errors", "--rootdir", tmp_path, tmp_path],
        cwd=ROOT,
        env=os.environ | {"CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 skipped, 1 xfailed, 2 errors" in ran.stdout, ran.stdout
    assert "curl is not installed" in ran.stdout
