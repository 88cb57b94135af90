"""Tests that the demo runs, reports what happens, and cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.commands.demo.demo import EVENT, _show, fixture
from launcher.commands.demo.stack import Stack
from sources import KINDS


def start_demo(directory: Path, *, ignore_sigint: bool = False) -> subprocess.Popen[str]:
    first = "trap '' INT; " if ignore_sigint else ""
    return subprocess.Popen(
        ["/bin/sh", "-c", f'{first}exec "$@"', "sh", sys.executable, "-m", "launcher", "demo"],
        env=os.environ | {"TMPDIR": str(directory), "REDIS_URL": "redis://127.0.0.1:1", "HOOKLINE_NONSENSE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def short_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("d")


def test_every_step_succeeds_and_nothing_is_left_behind(short_dir: Path) -> None:
    demo = start_demo(short_dir, ignore_sigint=True)
    said, _ = demo.communicate(timeout=180)
    assert demo.returncode == 0, said
    assert "Nadia Ferreira: 40 points added, balance 2641" in said
    assert "202" in said
    assert "401" in said
    assert "undecodable" in said
    assert "webhooks 4 = 2 + 1 + 1 + 0, notifications 2 = 2 + 0 + 0 + 0" in said
    assert [line[:2] for line in said.splitlines() if line[:1].isdigit()] == [f"{step}." for step in range(1, 8)]
    assert not list(short_dir.iterdir())


def test_an_interrupted_demo_leaves_nothing_behind(short_dir: Path) -> None:
    demo = start_demo(short_dir)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("2."):
            break
    demo.send_signal(signal.SIGTERM)
    demo.stdout.read()
    assert demo.wait(timeout=120) == 143
    demo.stdout.close()
    assert not list(short_dir.iterdir())


def test_a_stack_that_does_not_start_is_reported_with_its_own_message(
    short_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (short_dir / "data").write_text("in the way")
    with Stack(short_dir) as stack:
        assert _show(stack) == 1
    said = capsys.readouterr().out
    assert "not ok: `hookline up` does not become ready" in said
    assert "  | hookline: " in said
    assert "as data directory: " in said


def test_the_source_reads_the_webhooks_of_the_demo_as_points_added() -> None:
    decode = KINDS["voucherify"].decode
    enveloped, raw = decode(fixture("demo_webhook.json"), ""), decode(fixture("demo_raw_payload.json"), EVENT)
    assert enveloped.name == raw.name == EVENT
    assert enveloped.identity != raw.identity
    assert enveloped.data.balance.points == 40
    assert enveloped.data.balance.balance == 2641
