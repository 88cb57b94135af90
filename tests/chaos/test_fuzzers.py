"""Tests by coverage-guided fuzzing, FUZZ_SECONDS (30) for each target. Old failures are in tests/fuzz/corpus."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS
from tests.launcher.running import ROOT, environment

SECONDS = int(os.environ.get("FUZZ_SECONDS", "30"))

pytestmark = pytest.mark.chaos


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not here: it has wheels for Linux on x86_64 and Python 3.11 to 3.13 only; "
    "tests/fuzz/test_corpus.py runs without it",
)
@pytest.mark.parametrize("target", TARGETS)
def test_a_fuzzer_finds_nothing(target: str, tmp_path: Path) -> None:
    failures = tmp_path / "failures"
    failures.mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, str(SECONDS), str(failures)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=SECONDS + 60,
        check=False,
    )

    output = ran.stderr.decode(errors="replace")
    inputs = {file.name: file.read_bytes() for file in failures.iterdir() if file.is_file()}
    assert inputs == {}, f"keep it in tests/fuzz/corpus/{target}\n{output[-4000:]}"
    assert ran.returncode == 0, output[-4000:]
    assert "stat::number_of_executed_units" in output
