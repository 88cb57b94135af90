"""Tests of commands on terminals with a limited character set, with texts that contain control sequences."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launcher.running import environment

CONFIG = """
[[rules]]
name = "points"
events = ["*"]
channel = "console"
text = "Hi {{ customer.name }}"
"""
NAME = "Ж\u20ac A\x1b]0;pwn\x07\x1b[31m\r\n[points] Eve\x9b2J\u202e"


def run(tmp_path: Path, encoding: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    (tmp_path / "hookline.toml").write_text(CONFIG)
    body = {"customer": {"id": "cust_1", "object": "customer", "name": NAME}}
    (tmp_path / "body.json").write_text(json.dumps(body))
    env = environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    command = [sys.executable, "-m", "launcher", *arguments]
    return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False)


EVENT = "customer.voucher.loyalty_card.points_added"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_text_of_a_payload_is_shown_on_every_terminal_and_controls_none(tmp_path: Path, encoding: str) -> None:
    test = (
        "notify",
        "test",
        "points",
        "--event",
        "body.json",
        "--name",
        EVENT,
    )
    for command in (
        (*test, "--send"),
        ("explain", "--event", EVENT, "body.json"),
    ):
        done = run(tmp_path, encoding, *command)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        shown = done.stdout.decode(encoding)
        assert "\x1b]0;" not in shown
        assert not {"\x07", "\x9b", "\u202e", "\r"} & set(shown)
        assert "\\x1b" in shown


@pytest.mark.parametrize("encoding", ["latin-1"])
def test_json_is_utf_8_on_every_terminal(tmp_path: Path, encoding: str) -> None:
    done = run(
        tmp_path,
        encoding,
        "explain",
        "--event",
        EVENT,
        "body.json",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    (rule,) = json.loads(done.stdout)["rules"]
    assert rule["notifications"][0]["text"] == f"Hi {NAME}"
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(done.stdout.decode())
