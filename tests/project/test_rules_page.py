"""Tests that the rules of docs/rules.md load and render as the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from launcher.config.config import read
from sources import KINDS
from worker.rules.render import Renderer
from worker.rules.rules import Rule
from worker.templates.template import seen_by_templates

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
ROWS = re.findall(r"^\| `(\w+)` \| `(\{\{ .* \}\})` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
NAME = "customer.voucher.loyalty_card.points_added"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.findall('name = "(.*)"', example)[0])
def test_each_example_loads_and_renders(example: str) -> None:
    (rule,) = read(tomllib.loads(example), {}).rules
    kind = KINDS["voucherify"]
    seen = seen_by_templates(kind.view(kind.sample(1, NAME)), event=NAME, source="voucherify")
    seen["events"] = [seen["data"]]
    renderer = Renderer((rule,))

    made = renderer.render(rule.name, seen)

    assert made.text
    assert [bool(part) for part in (made.to, made.subject, made.html)] == [
        bool(part) for part in (rule.to, rule.subject, rule.html)
    ]
    assert isinstance(renderer.when_is_true(rule.name, seen), bool)
    assert bool(renderer.digest_key(rule.name, seen)) == bool(rule.digest)
    assert bool(renderer.subject(rule.name, seen)) == bool(rule.latest_only)
    assert bool(renderer.key(rule.name, seen)) == bool(rule.key)


def letters_and_digits(text: str) -> str:
    """Remove signs and spaces, which come from Babel's data and change with its releases."""
    return "".join(filter(str.isalnum, text))


@pytest.mark.parametrize(("name", "template", "english", "german"), ROWS, ids=[row[0] for row in ROWS])
def test_each_filter_writes_what_the_table_shows(name: str, template: str, english: str, german: str) -> None:
    for locale, zone, expected in (("en", "UTC", english), ("de_DE", "Europe/Berlin", german)):
        rule = Rule(
            name=name, events=("*",), channel="c", text=template.replace("\\|", "|"), locale=locale, timezone=zone
        )
        written = Renderer((rule,)).render(name, {}).text
        assert letters_and_digits(written) == letters_and_digits(expected)


def test_examples_are_found_on_the_page() -> None:
    assert (len(EXAMPLES), len(ROWS)) == (7, 6)
