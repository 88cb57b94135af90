"""Tests that docs/providers.md names every provider, and that its configs load and its rules render."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from launcher.config.config import read
from sources import KINDS
from sources.source_kinds import provider_of
from worker.rules.render import Renderer
from worker.templates.template import seen_by_templates

# What follows is for authors of providers, and has tests of its own.
PAGE, _, _ = (
    (Path(__file__).parents[2] / "docs" / "providers.md")
    .read_text(encoding="utf-8")
    .partition("## How each provider is tested")
)
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
ROWS = re.findall(r"^\| `(\w+)` \|.*\| (.*?) \|$", PAGE, re.MULTILINE)
WHEN = re.findall(r'`when = "(.*?)"`', PAGE)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.findall('kind = "(.*)"', example)[0])
def test_each_config_loads_and_each_rule_renders(example: str, tmp_path: Path) -> None:
    kinds = [KINDS.get(source["kind"]) for source in tomllib.loads(example)["sources"].values()]
    (tmp_path / "secret").write_text(next((kind.new_secret() for kind in kinds if kind), "made-up secret"))
    tables = tomllib.loads(re.sub(r'secrets = \["file:.*"\]', 'secrets = ["file:secret"]', example))
    config = read(tables, {}, directory=tmp_path)
    if "rules" not in tables:  # then it has the default one
        return
    (name, source), *_ = config.sources.items()
    kind = provider_of(source)
    for rule in config.rules:
        body = kind.sample(1, rule.events[0])
        item = body if kind.split is None else kind.split(body)[-1]
        seen = seen_by_templates(kind.view(item), event=rule.events[0], source=name)
        assert Renderer((rule,)).render(rule.name, seen).text


def test_the_table_has_a_row_for_each_provider_with_its_deadline() -> None:
    assert [name for name, _ in ROWS] == ["kind", *KINDS]
    for name, deadline in ROWS[1:]:
        assert deadline in (f"{KINDS[name].deadline_s:g} s", "not published")


@pytest.mark.parametrize(("bot", "expected"), [({}, True), ({"bot_id": "B1"}, False), ({"bot_id": None}, True)])
def test_the_condition_against_messages_of_bots_is_right(bot: dict[str, str | None], expected: bool) -> None:
    (when,) = WHEN
    tables = {"rules": [{"name": "r", "events": ["message"], "channel": "console", "text": "x", "when": when}]}
    (rule,) = read(tables, {}).rules
    seen = seen_by_templates({"event": {"type": "message", **bot}}, event="message", source="slack")
    assert Renderer((rule,)).when_is_true("r", seen) is expected
