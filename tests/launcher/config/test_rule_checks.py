"""Tests that every fault of every rule is reported, each with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from launcher.config.config import load, read
from launcher.config.toml_lines import line_numbers, line_of
from launcher.errors import ConfigError
from worker.rules.rules import QuietHours, RetryOverride

RULE = {"name": "r", "events": ["*"], "channel": "console"}

FAULTY = '''\
# rules with faults
[channels.crm]
kind = "http"
url = "https://crm.example"

[[rules]]
name = "good"
events = ["a.*"]
channel = ["crm", "console"]
text = """
[[rules]]
text = "not a key"
"""

[[rules]]
name = "bad"
events = ["a", ""]
channel = ["crm", "snik"]
when = "{{ balance.points }}"
text = """Hello
{% for %}"""
subject = "{{ points | nubmer }}"
locale = "xx_YY"
timezone = "Europe/Berlln"
quiet_hours = { from = "25:00", to = "07:00" }

[[rules]]
name = "bad"
channel = "crm"
key = "{{ }}"

[rules.retry]
attempts = 0

[rules.quiet_hours]
from = "07:00"
to = "07:00"
timezone = "nowhere"
'''


def faults_of(**settings: Any) -> dict[str, str]:
    try:
        read({"rules": [RULE | settings]}, {})
    except ConfigError as error:
        return {fault.path: fault.reason for fault in error.faults}
    return {}


def test_all_faults_of_all_rules_are_reported_with_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "hookline.toml"
    file.write_text(FAULTY)

    with pytest.raises(ConfigError) as raised:
        load(file, {})

    faults = {fault.path: (fault.line, fault.reason) for fault in raised.value.faults}
    assert {path: line for path, (line, _) in faults.items()} == {
        "rules[1].events[1]": 17,
        "rules[1].channel[1]": 18,
        "rules[1].when": 19,
        "rules[1].text": 20,
        "rules[1].subject": 22,
        "rules[1].locale": 23,
        "rules[1].timezone": 24,
        "rules[1].quiet_hours.from": 25,
        "rules[2].name": 28,
        "rules[2].events": 27,
        "rules[2].key": 30,
        "rules[2].retry.attempts": 33,
        "rules[2].quiet_hours.timezone": 38,
    }
    assert faults["rules[1].text"][1].startswith("not a Jinja2 template: ")
    assert faults["rules[1].text"][1].endswith("(line 2)")
    assert "nubmer" in faults["rules[1].subject"][1]
    assert str(raised.value).splitlines()[0].startswith("rules[1].channel[1] (line 18): no such channel")


@pytest.mark.parametrize(
    ("settings", "path", "reason"),
    [
        ({"when": "balance."}, "when", "not a Jinja2 expression"),
        ({"when": "a b"}, "when", "write it without braces"),
        ({"when": "a | upcase"}, "when", "upcase"),
        ({"html": "{% if %}"}, "html", "not a Jinja2 template"),
        ({"to": "{{ 'a }}"}, "to", "not a Jinja2 template"),
        ({"channel": []}, "channel", "a rule needs a channel"),
        ({"channel": ["console", "console"]}, "channel[1]", "already in this list"),
        ({"channel": 1}, "channel", "expected"),
        ({"events": ["a.[bc"]}, "events[0]", "never closed"),
        ({"timezone": "Europe"}, "timezone", "no such time zone"),
        ({"timezone": "../UTC"}, "timezone", "no such time zone"),
        ({"locale": ""}, "locale", "no such locale"),
        ({"quiet_hours": {"from": "7:00", "to": "08:00"}}, "quiet_hours.from", "write HH:MM"),
        ({"quiet_hours": {"from": "07:00"}}, "quiet_hours.to", "missing"),
        ({"quiet_hours": {"from": "07:00", "to": "07:00"}}, "quiet_hours", "they end when they begin"),
        ({"digest": {"key": "data.n", "window": "5 minutes"}}, "digest.window", "not a duration"),
        ({"digest": {"key": "data.n", "window": "0s"}}, "digest.window", "not a duration"),
        ({"digest": {"key": "data.(", "window": "5m"}}, "digest.key", "not a Jinja2 expression"),
        ({"digest": {"key": "", "window": "5m"}}, "digest.key", "it is needed"),
        ({"latest_only": "data."}, "latest_only", "not a Jinja2 expression"),
        ({"latest_only": "n", "digest": {"key": "n", "window": "5m"}}, "latest_only", "remove one of the two"),
        ({"quiet_hours": {"from_": "07:00", "to": "08:00"}}, "quiet_hours.from_", "did you mean from?"),
        ({"retry": {"atempts": 1}}, "retry.atempts", "did you mean attempts?"),
    ],
)
def test_a_fault_is_reported_with_its_key_and_reason(settings: dict[str, Any], path: str, reason: str) -> None:
    assert reason in faults_of(**settings)[f"rules[0].{path}"]


def test_a_rule_with_every_setting_is_read() -> None:
    (rule,) = read(
        {
            "rules": [
                RULE
                | {
                    "channel": ["console"],
                    "when": "points > 1",
                    "key": "{{ id }}",
                    "to": "{{ to }}",
                    "subject": "s",
                    "html": "<b>{{ points | number }}</b>",
                    "enabled": False,
                    "locale": "pt-BR",
                    "timezone": "America/Sao_Paulo",
                    "quiet_hours": {"from": "22:00", "to": "07:00", "timezone": "America/Sao_Paulo"},
                    "retry": {"attempts": 3},
                }
            ]
        },
        {},
    ).rules
    assert rule.channels() == ("console",)
    assert rule.quiet_hours == QuietHours(from_="22:00", to="07:00", timezone="America/Sao_Paulo")
    assert rule.retry == RetryOverride(attempts=3)


def test_faults_of_rules_from_the_environment_name_their_variable() -> None:
    with pytest.raises(ConfigError) as raised:
        read({}, {"HOOKLINE_RULES": '[{"name": "r", "events": ["*"], "channel": "console", "when": "("}]'})
    (fault,) = raised.value.faults
    assert (fault.path, fault.line) == ("HOOKLINE_RULES[0].when", 0)


def test_a_line_is_that_of_the_nearest_known_key() -> None:
    numbers = line_numbers(
        'a = 1\n[b]\n"c d" = 2\nx.y = 3\n[[r]]\n[[r.s]]\n[[r.s]]\nk = 1\n[[r]]\n[r.t]\nl = [\n "m = 1"]\n'
    )
    assert numbers == {
        "a": 1,
        "b": 2,
        "b.c d": 3,
        "b.x.y": 4,
        "r[0]": 5,
        "r[0].s[0]": 6,
        "r[0].s[1]": 7,
        "r[0].s[1].k": 8,
        "r[1]": 9,
        "r[1].t": 10,
        "r[1].t.l": 11,
    }
    assert [line_of(path, numbers) for path in ("r[1].t.l[3]", "r[0].gone", "b.gone", "gone")] == [11, 5, 2, 0]
