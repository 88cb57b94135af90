"""Tests of `hookline explain`, mostly in this process: it needs no running part of Hookline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from launcher.cli import app
from launcher.errors import LauncherError
from sources import KINDS
from tests.launcher.running import environment
from tests.libraries import INT_EXPECTED, msgspec_decode_error

NAME = "customer.voucher.loyalty_card.points_added"
SAMPLE = KINDS["voucherify"].sample(1, NAME)
CONFIG = """
[channels.crm]
kind = "http"
url = "https://crm.example/hooks/secret-token"

[[rules]]
name = "points"
events = ["*points_added"]
channel = "crm"
text = "{{ customer.name }}: {{ balance.points }} points"

[[rules]]
name = "tiers"
events = ["customer.loyalty.tier.*"]
sources = ["shop*"]
channel = "console"
"""
TWO_SOURCES = "\n[sources.shop]\n[sources.till]\n"


class Explain:
    """Run the command on a body, with a config of two rules, of which one matches points_added."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "body.json"
        self.config = directory / "hookline.toml"
        self.config.write_text(CONFIG)

    def __call__(self, body: bytes, *options: str, columns: int = 200, **variables: str) -> tuple[int, str]:
        """Return (exit code, output)."""
        self.file.write_bytes(body)
        return self.run(str(self.file), *options, columns=columns, **variables)

    def run(self, *arguments: str, columns: int = 200, **variables: str) -> tuple[int, str]:
        env = {"COLUMNS": str(columns), **variables}
        ran = CliRunner().invoke(app, ["--config", str(self.config), "explain", *arguments], env=env)
        if isinstance(ran.exception, LauncherError):
            assert ran.output == ""
            return ran.exception.exit_code, str(ran.exception)
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        return ran.exit_code, ran.output

    def record(self, body: bytes, *options: str) -> tuple[int, dict[str, Any]]:
        code, output = self(body, "--json", *options)
        (line,) = output.splitlines()
        return code, msgspec.json.decode(line)


@pytest.fixture
def explain(tmp_path: Path) -> Explain:
    return Explain(tmp_path)


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_body_is_read_from_standard_input_and_explained_in_one_line_of_json(explain: Explain) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "launcher", "explain", "-", "--json"],
        input=SAMPLE,
        cwd=explain.config.parent,
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, b"")
    (line,) = ran.stdout.splitlines()
    assert msgspec.json.decode(line)["event"]["name"] == NAME


def test_a_webhook_is_explained_from_body_to_notification(explain: Explain) -> None:
    code, output = explain(SAMPLE)

    shown = words(output)
    typed = type(KINDS["voucherify"].decode(SAMPLE, "").data).__name__
    assert code == 0
    for part in (
        f"kind distribution event {NAME} named by the body",
        "identity distr_Sample7Zq1 + ev_",
        f"payload {typed}: customer, campaign, voucher, balance, transaction",
        "balance { type, total, object, points, balance, related_object }",
        "rule points matches -> crm",
        "text Bela Okafor: 40 points",
        "POST to crm.example",
        '"event": "customer.voucher.loyalty_card.points_added"',
        "tiers event matches none of customer.loyalty.tier.* source matches none of shop*",
    ):
        assert part in shown
    assert shown.endswith("processed: 1 notification")
    assert "secret-token" not in shown


@pytest.mark.parametrize("event", ["", "a.very." + "long." * 30 + "name"])
@pytest.mark.parametrize("body", [SAMPLE, b'{"key":"' + b"x" * 500 + b'","' + b"k" * 500 + b'":{"a":1}}', b"[["])
def test_the_output_fits_into_80_columns(explain: Explain, body: bytes, event: str) -> None:
    _, output = explain(body, "--event", event, columns=80)

    assert max(len(line) for line in output.splitlines()) <= 80
    assert "…" not in output


def test_json_has_everything_and_the_posted_body_unchanged(explain: Explain) -> None:
    code, record = explain.record(SAMPLE)

    data = msgspec.json.decode(SAMPLE)["data"]
    points, tiers = record["rules"]
    assert (code, record["dead_letters"], record["fault"]) == (0, 0, None)
    assert record["event"]["payload"] == data
    assert points["notifications"][0]["post"]["body"]["data"] == data
    assert points["notifications"][0]["post"]["body"]["key"] == points["notifications"][0]["key"]
    assert [why["what"] for why in tiers["mismatches"]] == ["event", "source"]


def test_the_event_name_can_be_given_as_in_the_url(explain: Explain) -> None:
    code, record = explain.record(b'{"a":1}', "--event", "customer.loyalty.tier.joined")

    assert (code, record["event"]["name"], record["event"]["named_by"]) == (
        0,
        "customer.loyalty.tier.joined",
        "url",
    )


def test_a_body_without_a_matching_rule_exits_with_0_and_the_missing_rule_is_shown(explain: Explain) -> None:
    code, output = explain(b'{"a":1}', "--event", "customer.created")

    assert code == 0
    assert output.endswith(
        'processed, without a notification: a rule for this event has events = ["customer.created"]\n'
    )


def test_a_name_in_the_url_that_the_receiver_refuses_exits_with_1_and_its_reason(explain: Explain) -> None:
    for event, why in (
        ("moon.rose", "the event in the URL is unknown for voucherify"),
        ("customer.order.paid", "this body cannot be the event in the URL"),
    ):
        body = b'{"customer":{"id":"cust_1"},"segment":{"id":"seg_1"}}'
        code, output = explain(body, "--event", event)
        assert code == 1
        assert f"rejected with status 400: {why}" in words(output)
        assert why in explain.record(body, "--event", event)[1]["refusal"]


def test_the_time_for_which_the_identity_is_remembered_is_shown(explain: Explain) -> None:
    assert "remembered 7 d from when it was last seen" in words(explain(SAMPLE)[1])
    code, output = explain(b'{"a":1}')
    assert code == 0
    assert (
        "a hash of the signed bytes, since nothing in the body identifies the event remembered 25 h from"
        in words(output)
    )


def test_for_an_event_without_a_name_it_explains_how_to_get_one(explain: Explain) -> None:
    assert "event unknown not named: add ?event=NAME" in words(explain(b'{"a":1}')[1])


@pytest.mark.parametrize(
    ("body", "error", "path"),
    [
        (b"40 points", msgspec_decode_error(b"40 points"), "$"),
        (b"", msgspec_decode_error(b""), "$"),
        (SAMPLE.replace(b'"points":40', b'"points":"x"'), INT_EXPECTED, "$.data.balance.points"),
    ],
)
def test_an_undecodable_body_exits_with_1_with_path_and_reason(
    explain: Explain, body: bytes, error: str, path: str
) -> None:
    code, record = explain.record(body, "--event", NAME)
    text_code, text = explain(body, "--event", NAME)

    assert (code, text_code) == (1, 1)
    assert (record["fault"]["reason"], record["fault"]["path"]) == ("undecodable", path)
    assert error in record["fault"]["error"]
    assert f"reason undecodable error {error}" in words(text)
    assert f"path {path} dead letter: this body cannot be processed" in words(text)


def test_a_template_that_fails_exits_with_1(explain: Explain) -> None:
    code, output = explain(b'{"customer":{"name":"Ada"}}', "--event", NAME)

    assert code == 1
    assert "text of rule 'points': 'balance' is undefined" in output
    assert output.endswith("processed, but 1 of 1 notification would become a dead letter\n")


def test_the_text_of_a_body_cannot_control_the_terminal(explain: Explain) -> None:
    body = b'{"\\u001b[31mkey":"[red]\\u001b[31m","customer":{"name":"\\u001b[2J"},"balance":{"points":1}}'

    _, output = explain(body, "--event", NAME)

    assert "\x1b" not in output
    assert "[red]" in output


def test_an_unknown_source_exits_with_2_and_the_known_ones(explain: Explain) -> None:
    result = explain(SAMPLE, "--source", "shop")

    assert result == (2, "--source shop: no such source; configured: voucherify")


def test_with_several_sources_one_has_to_be_named(explain: Explain) -> None:
    explain.config.write_text(CONFIG + TWO_SOURCES)

    assert explain(SAMPLE) == (2, "--source is needed, since several are configured: shop, till")
    assert "from till (voucherify)" in explain(SAMPLE, "--source", "till")[1]


def test_an_unreadable_file_exits_with_2(explain: Explain, tmp_path: Path) -> None:
    gone = tmp_path / "gone.json"

    assert explain.run(str(gone)) == (2, f"{gone}: cannot read it: No such file or directory")
    assert explain.run(str(tmp_path)) == (2, f"{tmp_path}: cannot read it: Is a directory")


def test_a_body_or_a_name_that_the_receiver_refuses_exits_with_2(explain: Explain) -> None:
    code, too_large = explain(SAMPLE, HOOKLINE_RECEIVER_MAX_BODY_BYTES="100")
    assert (code, "would answer 413" in too_large) == (2, True)

    code, unprintable = explain(SAMPLE, "--event", "a\nb")
    assert (code, "answers 400" in unprintable) == (2, True)


def test_a_config_fault_exits_with_2(explain: Explain) -> None:
    assert explain(SAMPLE, HOOKLINE_RECEIVER_PORT="x") == (2, "HOOKLINE_RECEIVER_PORT: expected `int`")


SEVERAL_KINDS = """
[sources.mail]
kind = "sendgrid"
[sources.repo]
kind = "github"
"""


def test_of_a_body_with_several_events_the_first_is_explained(tmp_path: Path) -> None:
    explain = Explain(tmp_path)
    explain.config.write_text(SEVERAL_KINDS)
    code, output = explain(b'[{"event":"bounce","sg_event_id":"e1"},{"event":"open"}]', "--source", "mail")
    assert code == 0
    assert "2 in this webhook" in output
    assert "bounce" in output
    assert explain(b"[]", "--source", "mail")[0] == 1


def test_headers_name_and_identify_an_event(tmp_path: Path) -> None:
    explain = Explain(tmp_path)
    explain.config.write_text(SEVERAL_KINDS)
    headers = ("--header", "X-GitHub-Event: release", "--header", "X-GitHub-Delivery: d-1")
    code, output = explain(b'{"action":"published"}', "--source", "repo", *headers)
    assert code == 0
    assert "release.published" in output
    assert "named by a header" in output
    assert "d-1 + " in output
    code, output = explain(b"{}", "--source", "repo", "--header", "nonsense")
    assert code == 2
    assert "X-GitHub-Event: push" in output
