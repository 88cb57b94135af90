"""Tests of deploy/systemd: the units are valid, closed, and form a working Hookline."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from inspector.site import STOP_S
from launcher.composition.components import _MARGIN_S as MARGIN_S
from receiver.settings import Settings as ReceiverSettings
from tests.deploy.containers import ROOT
from tests.programs import needs
from worker.settings import Settings as WorkerSettings

FOLDER = ROOT / "deploy" / "systemd"
UNITS = ("hookline-receiver", "hookline-worker@1", "hookline-inspector")
PROGRAM = "/opt/hookline/bin/hookline"

needs_systemd = needs("systemd-analyze")


def values(unit: str, key: str) -> list[str]:
    """Return the values of a key in the file of a unit, with its instance filled in."""
    name, _, instance = unit.partition("@")
    text = (FOLDER / f"{name}{'@' if instance else ''}.service").read_text().replace("%i", instance)
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root directory with the units and the programs that they name."""
    units = tmp_path / "etc" / "systemd" / "system"
    shutil.copytree(FOLDER, units)
    (units / "hookline-worker@1.service").write_text((units / "hookline-worker@.service").read_text())
    for program in (PROGRAM, "/bin/kill"):
        path = tmp_path / program.lstrip("/")
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr" / "lib" / "systemd" / "system", symlinks=True)
    return tmp_path


def analyze(root: Path, *arguments: str) -> str:
    command = ["systemd-analyze", f"--root={root}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_systemd
def test_the_units_are_valid(root: Path) -> None:
    for unit in UNITS:
        assert "hookline" not in analyze(root, "verify", f"{unit}.service")


@needs_systemd
def test_the_units_can_do_little_beyond_their_work(root: Path) -> None:
    for unit in UNITS:
        # In tenths: 20 is 2.0 of 10, where 10 is a service without any limits.
        analyze(root, "security", "--offline=true", "--threshold=20", f"{unit}.service")


def test_units_get_longer_to_stop_than_the_parts_need() -> None:
    receiver, worker = ReceiverSettings(), WorkerSettings()
    (of_receiver,), (of_worker,), (of_inspector,) = (values(unit, "TimeoutStopSec") for unit in UNITS)
    assert int(of_receiver) > receiver.shutdown_timeout_s + receiver.flush_timeout_s + MARGIN_S
    assert int(of_worker) > 2 * worker.stop_grace_s + MARGIN_S
    assert int(of_inspector) > STOP_S + MARGIN_S


def test_each_secret_is_a_credential_of_the_unit_that_uses_it() -> None:
    for unit in UNITS:
        used = {value for entry in values(unit, "Environment") for value in re.findall(r"%d/(\w+)", entry)}
        assert used == {credential.split(":")[0] for credential in values(unit, "LoadCredential")}
