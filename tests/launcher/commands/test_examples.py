"""The configs in examples/ that are one file: `check` finds nothing, and a sample makes the notification."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from launcher.config.config import load
from sources import KINDS
from tests.launcher.running import ROOT, environment, hookline
from tests.redis_server import RedisServer

EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
TEXTS = {
    "github-release": "octocat/hello-world v1.7 is out: https://github.com/octocat/hello-world/release/7",
    "slack-mention": "U00000007 in C0SAMPLE1: <@U0HOOKLINE> sample 7",
}


def variables(source: str) -> dict[str, str]:
    return {f"HOOKLINE_SOURCES_{source.upper()}_SECRETS": KINDS[source].new_secret()}


def test_each_example_has_an_expected_text() -> None:
    assert {path.stem for path in EXAMPLES} == set(TEXTS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_check_finds_nothing_in_an_example(path: Path, tmp_path: Path, redis_server: RedisServer) -> None:
    source = path.stem.partition("-")[0]
    env = environment(REDIS_URL=redis_server.url, **variables(source))
    (tmp_path / "hookline.toml").write_text(path.read_text())
    (tmp_path / "spilled").mkdir()
    ran = hookline("check", "--json", cwd=tmp_path, env=env)
    report: dict[str, Any] = msgspec.json.decode(ran.stdout)
    assert (ran.returncode, report["faults"], report["problems"], report["notes"]) == (0, [], [], [])
    assert [entry["secrets"] for entry in report["sources"]] == [1]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_sample_makes_the_notification_of_an_example(path: Path, tmp_path: Path) -> None:
    source = path.stem.partition("-")[0]
    (rule,) = load(path, variables(source)).rules
    (event,) = rule.events
    body = tmp_path / "body.json"
    body.write_bytes(KINDS[source].sample(7, event))
    headers = [f"--header={name}: {value}" for name, value in KINDS[source].sample_headers(7, event).items()]
    env = environment(**variables(source))
    ran = hookline("--config", str(path), "explain", str(body), *headers, cwd=tmp_path, env=env)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert rule.name in ran.stdout
    assert TEXTS[path.stem] in ran.stdout
