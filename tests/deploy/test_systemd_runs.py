"""Tests that the units of deploy/systemd, run here as processes, form a working Hookline."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from tests.deploy.compose import Redis
from tests.deploy.containers import ROOT, Container, Host, wait_for
from tests.deploy.test_systemd import PROGRAM, UNITS, values


def container(unit: str) -> Container:
    """Return what a unit runs. Its credentials are in /run/secrets."""
    (command,) = values(unit, "ExecStart")
    program, *arguments = command.split()
    assert program == PROGRAM
    environment = dict(entry.split("=", 1) for entry in values(unit, "Environment"))
    return Container(
        unit, tuple(arguments), {name: value.replace("%d", "/run/secrets") for name, value in environment.items()}
    )


def test_the_units_together_turn_a_webhook_into_a_notification(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write("/run/secrets/voucherify", "a secret of the test\n")
    host.write("/run/secrets/inspector_password", "the admins password\n")
    host.path("/etc/hookline/hookline.toml").write_text((ROOT / "deploy" / "hookline.toml").read_text())
    receiver, worker, inspector = map(container, UNITS)
    with Redis(host).running(), ExitStack() as units:
        for unit in (receiver, worker, inspector):
            units.enter_context(host.running(unit))
        wait_for(lambda: host.answers(8080, "/readyz"))
        wait_for(lambda: host.answers(8083, "/readyz"))
        host.output(receiver, "send", "--url", f"http://127.0.0.1:{host.port(8080)}", "--count", "20")
        wait_for(lambda: host.log(worker.name).read_text().count("40 points added") == 20)
        counted = json.loads(host.output(worker, "status", "--json"))
        assert (counted["accepted"], counted["processed"], counted["workers"]) == (20, 20, 1)
