"""Tests that the containers of deploy/kubernetes, run here as processes, form a working Hookline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.deploy.compose import Redis
from tests.deploy.containers import Container, Host, wait_for
from tests.deploy.kubernetes import FOLDER, Object, container, needs_kubectl, overlay, pod, workloads

pytestmark = needs_kubectl


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Return a host with the secrets of the pods, on which Redis runs with the command of the overlay `small`."""
    host = Host(tmp_path)
    host.write("/run/secrets/voucherify", "a secret of the test\n")
    host.write("/run/secrets/inspector_password", "the admins password\n")
    shutil.copy(FOLDER / "base" / "hookline.toml", host.path("/etc/hookline/hookline.toml"))
    with Redis(host).running():  # another test checks that its command is that of docker-compose.yml
        yield host


def probed(host: Host, workload: Object, probe: str) -> bool:
    """Return True if a probe of the workload's container passes."""
    (described,) = pod(workload)["containers"]
    get = described[probe]["httpGet"]
    (port,) = [port["containerPort"] for port in described["ports"] if port["name"] == get["port"]]
    return host.answers(port, get["path"])


def test_the_pods_together_turn_a_webhook_into_a_notification(host: Host) -> None:
    parts = {part: workloads(overlay("small"))[part] for part in ("receiver", "worker", "inspector")}
    containers: dict[str, Container] = {part: container(workload) for part, workload in parts.items()}
    with ExitStack() as pods:
        for each in containers.values():
            pods.enter_context(host.running(each))
        for workload in parts.values():
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                wait_for(lambda workload=workload, probe=probe: probed(host, workload, probe))  # type: ignore[misc]
        host.output(
            containers["receiver"], "send", "--url", f"http://127.0.0.1:{host.port(8080)}", "--count", "20"
        )
        wait_for(lambda: host.log("worker").read_text().count("40 points added") == 20)
        counted = json.loads(host.output(containers["worker"], "status", "--json"))
        assert (counted["accepted"], counted["processed"], counted["workers"]) == (20, 20, 1)
