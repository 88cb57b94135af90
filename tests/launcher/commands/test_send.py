"""Tests of `hookline send` as an operator runs it, against a running `hookline up`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.commands.demo.demo import fixture
from launcher.commands.demo.stack import Stack
from tests.launcher.running import hookline

_BUSY_S = 60.0
"""Seconds that a busy machine may take."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("s")) as running:
        assert running.becomes_ready(), running.last_lines()
        yield running


def run(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return hookline(*arguments, cwd=stack._directory, env=stack._environ)


def test_a_load_is_accepted_by_a_real_receiver_and_its_counters_add_up(stack: Stack) -> None:
    options = ("--count", "300", "--duplicates", "0.1", "--invalid", "0.05", "--seed", "3", "--json")
    done = run(stack, "send", *options, "--concurrency", "8")
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout)
    assert sent["unexpected"] == 0

    def counted() -> bool:
        status = json.loads(run(stack, "status", "--json").stdout)
        return bool(
            status["accepted"] == sent["answers"]["202"]
            and status["processed"] == sent["accepted_events"]
            and status["duplicate"] == sent["repeated"]
        )

    assert stack.wait(counted, _BUSY_S), (sent, run(stack, "status").stdout)

    again = json.loads(run(stack, "send", *options).stdout)
    assert again["accepted_events"] == sent["accepted_events"]
    assert stack.wait(lambda: json.loads(run(stack, "status", "--json").stdout)["queued"] == 0, _BUSY_S)
    assert json.loads(run(stack, "status", "--json").stdout)["processed"] == sent["accepted_events"]


def test_a_raw_sample_and_a_file_are_notified(stack: Stack, tmp_path: Path) -> None:
    assert run(stack, "send", "--raw").returncode == 0
    body = tmp_path / "body.json"
    body.write_bytes(fixture("demo_webhook.json"))
    done = run(stack, "send", "--file", str(body))
    assert "1 x 202: all as expected" in done.stdout
    assert stack.wait(lambda: stack.printed("Nadia Ferreira", "40 points"), _BUSY_S)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (
            ("--url", "http://127.0.0.1:1"),
            1,
            "no server answers at http://127.0.0.1:1/webhooks/voucherify: connection",
        ),
        (("--source", "voucherfy"), 2, "no such source"),
        (("--provider", "voucherfy"), 2, "did you mean voucherify?"),
        (("--provider", "stripe", "--source", "voucherify"), 2, "source voucherify has the kind voucherify"),
        (("--url", "ftp://x"), 2, "not an address"),
        (("--duplicates", "2"), 2, "--duplicates"),
        (("--file", "no-such-file"), 2, "no-such-file"),
    ],
)
def test_webhooks_that_cannot_be_sent_are_reported_without_a_traceback(
    stack: Stack, options: tuple[str, ...], code: int, words: str
) -> None:
    done = run(stack, "send", *options)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_secret_it_explains_how_to_get_one(tmp_path: Path) -> None:
    done = run(Stack(tmp_path), "send")
    assert done.returncode == 2
    assert "no secret to sign with for voucherify: start `hookline up`" in done.stderr
