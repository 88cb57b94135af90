"""Tests of deploy/prometheus and deploy/grafana: rules, their runbook, and dashboards with real data."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.deploy.compose import PARTS, Redis, container, mounted_config
from tests.deploy.containers import ROOT, Host, wait_for
from tests.deploy.monitoring import (
    DASHBOARDS,
    FOLDER,
    METRICS,
    RULES,
    Prometheus,
    metrics_in,
    needs_prometheus,
    queries,
)

CASES = Path(__file__).parent / "alerts_test.yml"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


@needs_prometheus
@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", FOLDER / "alerts.yml"],
        ["check", "config", FOLDER / "prometheus.yml"],
        ["test", "rules", CASES],
    ],
    ids=lambda command: " ".join(map(str, command[:2])),
)
def test_promtool_accepts(command: list[str | Path]) -> None:
    done = subprocess.run(["promtool", *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [
        (case["name"].split()[0], expected["alertname"], bool(expected["exp_alerts"]))
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for expected in case["alert_rule_test"]
    ]
    names = [rule["alert"] for rule in RULES]
    assert sorted(cases) == sorted((name, name, fires) for name in names for fires in (True, False))


def test_each_alert_has_a_section_in_the_runbook_and_each_section_an_alert() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.DOTALL | re.MULTILINE))
    assert list(sections) == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
    for text in sections.values():
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Meaning", "Look", "Do"]


def test_rules_and_dashboards_name_only_metrics_that_exist() -> None:
    expressions = [rule["expr"] for rule in RULES] + [query for board in DASHBOARDS for query in queries(board)]
    named = set().union(*map(metrics_in, expressions))
    assert named - METRICS <= {"hookline_oldest_"}  # the beginning of two names, in a pattern
    assert len(named) > 25


@needs_prometheus
def test_every_query_of_the_dashboards_finds_data_in_a_running_installation(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write("/run/secrets/voucherify", "a secret of the test\n")
    host.write("/run/secrets/inspector_password", "the admins password\n")
    shutil.copy(mounted_config(), host.path("/etc/hookline/hookline.toml"))
    prometheus = Prometheus(host)
    with Redis(host).running(), ExitStack() as services:
        for part in PARTS:
            services.enter_context(host.running(container(part)))
        services.enter_context(prometheus.running())
        wait_for(lambda: len(prometheus.query("up == 1")) == len(PARTS))
        url = f"http://127.0.0.1:{host.port(8080)}"
        host.output(container("receiver"), "send", "--url", url, "--count", "20")
        wait_for(lambda: prometheus.query("max(hookline_notifications_sent_total) == 20") != [])
        for dashboard in DASHBOARDS:
            for query in queries(dashboard):
                wait_for(lambda query=query: prometheus.query(query) != [], within_s=20)  # type: ignore[misc]
        for rule in RULES:  # no rule fires where everything is well
            assert prometheus.query(rule["expr"]) == [], rule["alert"]
