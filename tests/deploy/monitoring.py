"""The alert rules, the dashboards, and a real Prometheus that scrapes what runs on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.containers import ROOT, Host, process, wait_for
from tests.programs import needs

FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
METRICS = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))

needs_prometheus = needs("promtool", "prometheus")


def queries(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that an expression names, without the suffix of a histogram's series."""
    names = re.findall(r"\b(?:hookline|process)_\w+", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


class Prometheus:
    """A Prometheus with the config of docker-compose.yml, where each service has the address of this machine."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @contextmanager
    def running(self) -> Iterator[None]:
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        for job in config["scrape_configs"]:
            (service,) = job.pop("dns_sd_configs")
            job["static_configs"] = [{"targets": [f"127.0.0.1:{self._host.port(service['port'])}"]}]
        folder = self._host.directory / "prometheus"
        folder.mkdir()
        shutil.copy(FOLDER / "alerts.yml", folder)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            str(shutil.which("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._host.port(9090)}",
        ]
        with process(command, self._host.log("prometheus"), os.environ, folder):
            wait_for(lambda: self._host.answers(9090, "/-/ready"))
            yield

    def query(self, expression: str) -> list[Any]:
        """Return the series that an expression gives now."""
        expression = expression.replace("$__rate_interval", "1m")
        asked = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self._host.port(9090)}/api/v1/query?{asked}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
        return result
