"""Tests of `make` on a machine with only a Python, and on one without."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = [
    "help",
    "up",
    "demo",
    "cluster-demo",
    "test",
    "coverage",
    "test-newest",
    "test-lowest",
    "check",
    "bench",
    "bench-check",
    "bench-peers",
    "chaos",
    "fuzz",
    "image-test",
    "package",
    "docs",
    "lock",
]
VARIABLES = set(re.findall(r"^(\w+) *[:?]?=", (ROOT / "Makefile").read_text(), re.MULTILINE))


def make(*arguments: str, directory: Path = ROOT, path: str | None = None) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make")
    assert program is not None, "make is not on PATH, and everything here is set up with it"
    # A make that runs these tests exports its own state and the variables of its command line.
    above = VARIABLES | {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
    environ = {name: value for name, value in os.environ.items() if name not in above}
    if path is not None:
        environ["PATH"] = path
    return subprocess.run(
        [program, *arguments], cwd=directory, env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a directory with the project's Makefile and nothing set up; `bin` is a PATH with only a shell."""
    for name in ("Makefile", "pyproject.toml", "uv.lock", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    return tmp_path


def test_make_without_a_target_lists_every_target_with_its_purpose() -> None:
    listed = re.findall(r"^  make ([\w-]+) +(\S.*)$", make().stdout, re.MULTILINE)
    assert [name for name, _ in listed] == TARGETS
    assert f".PHONY: {' '.join(TARGETS)}\n" in (ROOT / "Makefile").read_text()


def test_every_target_has_a_rule() -> None:
    done = make("--dry-run", *TARGETS[1:])
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" not in done.stdout


@pytest.mark.parametrize("target", ["up", "test"])
def test_without_a_python_the_message_says_which_one_is_needed(bare: Path, target: str) -> None:
    done = make(target, directory=bare, path=str(bare / "bin"))
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith("No Python 3.11 to 3.14 found")
    assert "PYTHON=" in done.stderr
    assert not (bare / ".venv").exists()


def test_an_unsupported_python_is_refused_with_its_name(bare: Path) -> None:
    done = make("test", "PYTHON=/bin/false", directory=bare, path=str(bare / "bin"))
    assert done.returncode != 0
    assert done.stderr.startswith("/bin/false is not a Python 3.11 to 3.14")


def test_an_older_python_before_a_supported_one_is_skipped(bare: Path) -> None:
    for name, code in (("python3.13", 1), ("python3.12", 0)):
        script = bare / "bin" / name
        script.write_text(f"#!/bin/sh\nexit {code}\n")
        script.chmod(0o755)
    done = make("--dry-run", "test", directory=bare, path=str(bare / "bin"))
    assert '"python3.12" -m venv' in done.stdout


@pytest.mark.parametrize(("name", "value"), [("PYTHON", "/bin/false"), ("VENV", "elsewhere"), ("MAKEFLAGS", "n")])
def test_variables_of_an_outer_make_are_not_passed_on(
    bare: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    done = make("--dry-run", "test", directory=bare)
    assert "-m venv --clear .venv" in done.stdout or "uv venv" in done.stdout
    assert value not in done.stdout or name == "MAKEFLAGS"


def test_without_uv_pip_installs_the_locked_versions(bare: Path) -> None:
    (bare / "bin" / "python3.12").symlink_to("/bin/true")
    done = make("--dry-run", "test", directory=bare, path=str(bare / "bin"))
    assert (
        "PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt .venv/bin/python -m pip"
        in done.stdout
    )


def test_with_uv_the_lock_is_installed(bare: Path) -> None:
    (bare / "bin" / "uv").symlink_to("/bin/true")
    (bare / "bin" / "python3.12").symlink_to("/bin/true")
    done = make("--dry-run", "test", directory=bare, path=str(bare / "bin"))
    assert "uv sync --quiet --frozen" in done.stdout
    assert "--extra embedded --extra apprise --extra oidc --extra otel --extra dev" in done.stdout


@pytest.mark.parametrize("changed", ["pyproject.toml", "uv.lock", "constraints.txt"])
@pytest.mark.parametrize("target", ["up", "test"])
def test_a_changed_lock_is_installed_again(bare: Path, changed: str, target: str) -> None:
    python = bare / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/bin/true")
    for stamp in (".embedded", ".dev"):
        (bare / ".venv" / stamp).touch()
    path = str(bare / "bin")
    assert "installing" not in make("--dry-run", target, directory=bare, path=path).stdout
    soon = time.time() + 60
    os.utime(bare / changed, (soon, soon))
    assert "installing" in make("--dry-run", target, directory=bare, path=path).stdout


@pytest.mark.parametrize(("target", "resolution"), [("test-newest", "highest"), ("test-lowest", "lowest-direct")])
def test_newest_and_lowest_have_their_own_environments(bare: Path, target: str, resolution: str) -> None:
    done = make("--dry-run", target, directory=bare)
    name = target.replace("test", ".venv")
    assert f"--python {name}/bin/python --resolution {resolution}" in done.stdout
    assert f"{name}/bin/python -m pytest" in done.stdout
    assert ".venv/bin" not in done.stdout


def test_help_needs_only_a_shell(bare: Path) -> None:
    assert "make demo" in make("help", directory=bare, path=str(bare / "bin")).stdout


def test_ci_runs_what_contributing_says() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "targets=(check test)" in script.read_text()
