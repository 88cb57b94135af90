"""Tests of `hookline notify test`, in this process: it needs nothing running except the target."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from launcher.cli import app
from launcher.errors import LauncherError
from sources import KINDS
from tests.sink import Sink, running_sink

NAME = "customer.voucher.loyalty_card.points_added"
SAMPLE = KINDS["voucherify"].sample(1, NAME)
RULES = """
[channels.sink]
kind = "http"
url = "URL"
allow_private = true
timeout_s = 2

[channels.other]
kind = "http"
url = "URL"
allow_private = true

[[rules]]
name = "points"
events = ["*points_added"]
channel = ["sink", "other"]
when = "balance.points > 10"
to = "{{ customer.source_id }}"
subject = "{{ balance.points }} points"
text = "{{ customer.name }}: {{ balance.balance | number }}"
html = "<p>{{ customer.name }}</p>"

[[rules]]
name = "faulty"
events = ["*"]
channel = "sink"
text = "{{ missing }}"

[[rules]]
name = "quiet"
enabled = false
events = ["*points_added"]
channel = "console"
text = "hush"
quiet_hours = { from = "00:00", to = "23:59" }

[[rules]]
name = "tiers"
events = ["*tier*"]
channel = "console"

[[rules]]
name = "huge"
events = ["*"]
channel = "console"
when = "balance.points > 1000000"
"""


class NotifyTest:
    """Run the command with these arguments."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "body.json"
        self.file.write_bytes(SAMPLE)
        self.config = directory / "hookline.toml"
        self.url = "http://127.0.0.1:1/"

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Return (exit code, output)."""
        self.config.write_text(RULES.replace("URL", self.url))
        command = ["--config", str(self.config), "notify", "test", *arguments]
        ran = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
        if isinstance(ran.exception, LauncherError):
            return ran.exception.exit_code, str(ran.exception)
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        return ran.exit_code, ran.output

    def on(self, rule: str, *options: str) -> tuple[int, str]:
        return self(rule, "--event", str(self.file), *options)


@pytest.fixture
def notify(tmp_path: Path) -> NotifyTest:
    return NotifyTest(tmp_path)


async def sending(
    notify: NotifyTest, rule: str, answer: Callable[..., Any] | None = None
) -> tuple[Any, Any, Sink]:
    async with running_sink() as sink:
        notify.url = sink.url
        sink.answer = answer or sink.answer
        code, output = await asyncio.to_thread(notify.on, rule, "--send", "--json")
        return code, json.loads(output), sink


def test_it_shows_all_that_would_be_sent_and_sends_nothing(notify: NotifyTest) -> None:
    code, output = notify.on("points")
    lines_shown = [" ".join(line.split()) for line in output.splitlines()]

    assert code == 0
    for line in (
        "rule points matches -> sink",
        "rule points matches -> other",
        "when balance.points > 10",
        "subject 40 points",
        "to crm-00000001",
        "html <p>Bela Okafor</p>",
    ):
        assert line in lines_shown, output
    assert any(line.startswith("text Bela Okafor: ") and "," in line for line in lines_shown), output
    assert lines_shown[-1] == "Not sent (dry run). Add --send to send it."


async def test_send_sends_once_through_each_channel(notify: NotifyTest) -> None:
    code, report, sink = await sending(notify, "points")

    assert code == 0
    assert report["sent"] == [
        {"channel": name, "outcome": "sent", "error": "", "answer": ""} for name in ("sink", "other")
    ]
    shown = report["explanation"]["rules"][0]["notifications"]
    assert [n["key"] for n in sink.got] == [n["key"] for n in shown]
    assert sink.got[0]["text"] == shown[0]["text"]
    assert sink.got[0]["data"] == report["explanation"]["event"]["payload"]


async def test_a_refusal_of_the_target_is_shown_and_exits_with_1(notify: NotifyTest) -> None:
    def answer(_n: object, _times: int) -> web.Response:
        return web.Response(status=404, text="no such thing")

    code, report, sink = await sending(notify, "points", answer)

    assert (code, len(sink.got)) == (1, 2)
    assert report["sent"][0] == {
        "channel": "sink",
        "outcome": "permanent",
        "error": "answered 404",
        "answer": "no such thing",
    }


def test_an_unreachable_target_is_shown_and_exits_with_1(notify: NotifyTest) -> None:
    code, output = notify.on("points", "--send")
    assert code == 1
    assert "not sent (retry) -> sink: " in output


async def test_a_notification_that_would_be_a_dead_letter_is_not_sent(notify: NotifyTest) -> None:
    code, report, sink = await sending(notify, "faulty")
    assert (code, report["sent"], sink.got) == (1, [], [])
    assert "text of rule 'faulty': 'missing' is undefined" in notify.on("faulty")[1]


def test_a_disabled_rule_in_quiet_hours_is_tested_too(notify: NotifyTest) -> None:
    code, output = notify.on("quiet", "--send")
    assert code == 0
    assert "hours end in" in output
    assert "sent -> console" in output


@pytest.mark.parametrize(
    ("rule", "reason"),
    [("tiers", "event matches none of *tier*"), ("huge", "when is not true: balance.points > 1000000")],
)
def test_a_rule_that_makes_no_notification_shows_the_reason_and_exits_with_1(
    notify: NotifyTest, rule: str, reason: str
) -> None:
    code, output = notify.on(rule, "--send")
    assert code == 1
    assert reason in output
    assert output.rstrip().endswith("nothing to send")


def test_an_undecodable_body_exits_with_1(notify: NotifyTest) -> None:
    notify.file.write_bytes(b"40 points")
    code, output = notify.on("points", "--send")
    assert code == 1
    assert "dead letter: this body cannot be processed" in output


def test_the_event_name_can_be_given_as_in_the_url(notify: NotifyTest) -> None:
    notify.file.write_bytes(b'{"tier": 1}')
    assert notify.on("tiers")[0] == 1
    assert notify.on("tiers", "--name", "customer.loyalty.tier.joined")[0] == 0


def test_usage_faults_exit_with_2(notify: NotifyTest) -> None:
    assert notify.on("point") == (2, "point: no such rule, did you mean points?")
    assert notify("points", "--event", "gone.json") == (2, "gone.json: cannot read it: No such file or directory")
    assert notify.on("points", "--source", "shop") == (2, "--source shop: no such source; configured: voucherify")
    assert notify("points")[0] == 2
