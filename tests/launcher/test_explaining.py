from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sources import KINDS
from tests.launcher.running import environment, hookline

NAME = "customer.voucher.loyalty_card.points_added"
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


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A sample body, beside a config with two rules."""
    (tmp_path / "hookline.toml").write_text(CONFIG)
    file = tmp_path / "body.json"
    file.write_bytes(KINDS["voucherify"].sample(1, NAME))
    return file


def piped(body: bytes, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """`hookline explain -` with this body on its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "launcher", "explain", "-", *arguments],
        input=body,
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        timeout=30,
        check=False,
    )


def told(cwd: Path, body: bytes, *arguments: str) -> tuple[int, dict[str, Any]]:
    ran = piped(body, "--json", *arguments, cwd=cwd)
    assert ran.stderr == b""
    (line,) = ran.stdout.splitlines()
    return ran.returncode, msgspec.json.decode(line)


def words(ran: subprocess.CompletedProcess[str]) -> str:
    assert ran.stderr == ""
    return " ".join(ran.stdout.split())


def test_a_webhook_is_explained_from_body_to_notification(sample: Path) -> None:
    ran = hookline("explain", sample.name, cwd=sample.parent)

    shown = words(ran)
    assert ran.returncode == 0
    for part in (
        f"event {NAME} named by the body",
        "identity distr_Sample7Zq1 + ev_",
        "payload PointsAdded: customer, campaign, voucher, balance, transaction",
        "balance { type, total, object, points, balance, related_object }",
        "rule points matches -> crm",
        "text Bela Okafor: 40 points",
        "POST to crm.example",
        '"event": "customer.voucher.loyalty_card.points_added"',
        "tiers event fits none of customer.loyalty.tier.* source fits none of shop*",
    ):
        assert part in shown
    assert shown.endswith("processed: 1 notification")
    assert "secret-token" not in shown


@pytest.mark.parametrize("event", ["", "a.very." + "long." * 30 + "name"])
def test_it_fits_80_columns(sample: Path, event: str) -> None:
    sample.write_bytes(b'{"key":"' + b"x" * 500 + b'","' + b"k" * 30 + b'":{"a":1}}')

    ran = hookline("explain", sample.name, "--event", event, cwd=sample.parent, env=environment(COLUMNS="80"))

    assert ran.returncode == 0
    assert max(len(line) for line in ran.stdout.splitlines()) <= 80


def test_json_has_everything_and_the_posted_body_as_it_is(sample: Path) -> None:
    code, record = told(sample.parent, sample.read_bytes())

    body = msgspec.json.decode(sample.read_bytes())
    points, tiers = record["rules"]
    assert (code, record["dead_letters"], record["fault"]) == (0, 0, None)
    assert record["event"]["payload"] == body["data"]
    assert points["notification"]["post"]["body"]["data"] == body["data"]
    assert points["notification"]["post"]["body"]["key"] == points["notification"]["key"]
    assert [why["what"] for why in tiers["mismatches"]] == ["event", "source"]


def test_a_name_can_be_given_as_the_url_would(sample: Path) -> None:
    code, record = told(sample.parent, b'{"a":1}', "--event", "customer.loyalty.tier.joined")

    assert (code, record["event"]["name"], record["event"]["named_by"]) == (
        0,
        "customer.loyalty.tier.joined",
        "url",
    )


def test_a_body_that_no_rule_is_for_is_0_and_the_rule_that_lacks_is_told(sample: Path) -> None:
    ran = piped(b'{"a":1}', "--event", "moon.rose", cwd=sample.parent)

    assert ran.returncode == 0
    assert ran.stdout.endswith(b'processed, and nobody is notified: a rule for it has events = ["moon.rose"]\n')


def test_an_event_without_a_name_is_told_how_to_get_one(sample: Path) -> None:
    assert b"?event=NAME" in piped(b'{"a":1}', cwd=sample.parent).stdout


@pytest.mark.parametrize(
    ("body", "reason", "path"),
    [
        (b"40 points", "JSON is malformed", "$"),
        (b"", "Input data was truncated", "$"),
        (
            b'{"customer":null,"campaign":null,"voucher":null,"transaction":null,"balance":{"points":"x","balance":1}}',
            "Expected `int`, got `str`",
            "$.balance.points",
        ),
    ],
)
def test_a_body_that_cannot_be_decoded_is_1_with_path_and_reason(
    sample: Path, body: bytes, reason: str, path: str
) -> None:
    code, record = told(sample.parent, body, "--event", NAME)
    text = piped(body, "--event", NAME, cwd=sample.parent).stdout.decode()

    assert (code, record["fault"]["reason"], record["fault"]["path"]) == (1, "undecodable", path)
    assert reason in record["fault"]["error"]
    assert reason in text
    assert path in text
    assert text.endswith("a dead letter: this body cannot be processed\n")


def test_a_template_that_does_not_fit_is_1(sample: Path) -> None:
    ran = piped(b'{"customer":{"name":"Ada"}}', "--event", NAME, cwd=sample.parent)

    assert ran.returncode == 1
    assert b"text of rule 'points': 'balance' is undefined" in ran.stdout
    assert ran.stdout.endswith(b"processed, but 1 of 1 notification would be a dead letter\n")


def test_what_a_body_says_cannot_steer_the_terminal(sample: Path) -> None:
    body = b'{"\\u001b[31mkey":"[red]\\u001b[31m","customer":{"name":"\\u001b[2J"},"balance":{"points":1}}'

    shown = piped(body, "--event", NAME, cwd=sample.parent).stdout

    assert b"\x1b" not in shown
    assert b"[red]" in shown


def usage_fault(ran: subprocess.CompletedProcess[str]) -> str:
    assert (ran.returncode, ran.stdout) == (2, ""), ran
    (line,) = ran.stderr.splitlines()
    return line.removeprefix("hookline: ")


def test_an_unknown_source_is_2_and_names_the_known(sample: Path) -> None:
    line = usage_fault(hookline("explain", sample.name, "--source", "shop", cwd=sample.parent))

    assert line == "--source shop: no such source; configured: voucherify"


def test_one_of_several_sources_has_to_be_named(sample: Path) -> None:
    with (sample.parent / "hookline.toml").open("a") as config:
        config.write("\n[sources.shop]\n[sources.till]\n")

    line = usage_fault(hookline("explain", sample.name, cwd=sample.parent))
    ran = hookline("explain", sample.name, "--source", "till", cwd=sample.parent)

    assert line == "--source is needed, since several are configured: shop, till"
    assert "from till (voucherify)" in words(ran)


def test_a_file_that_cannot_be_read_is_2(sample: Path) -> None:
    assert usage_fault(hookline("explain", "gone.json", cwd=sample.parent)) == (
        "gone.json: cannot read it: No such file or directory"
    )
    assert usage_fault(hookline("explain", ".", cwd=sample.parent)) == ".: cannot read it: Is a directory"


def test_a_body_or_a_name_that_the_receiver_refuses_is_2(sample: Path) -> None:
    env = environment(HOOKLINE_RECEIVER_MAX_BODY_BYTES="100")

    assert "would answer 413" in usage_fault(hookline("explain", sample.name, cwd=sample.parent, env=env))
    assert "answers 400" in usage_fault(hookline("explain", sample.name, "--event", "a\nb", cwd=sample.parent))


def test_a_config_fault_is_2(sample: Path) -> None:
    line = usage_fault(
        hookline("explain", sample.name, cwd=sample.parent, env=environment(HOOKLINE_RECEIVER_PORT="x"))
    )

    assert line == "HOOKLINE_RECEIVER_PORT: expected `int`"
