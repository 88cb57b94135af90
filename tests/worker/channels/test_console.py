"""Output of the console channel: one line for each notification, without control sequences."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.terminal_text import one_line, printable, printable_json
from worker.channels.console import ConsoleChannel
from worker.channels.settings import ConsoleSettings
from worker.outcome import Sent
from worker.rules.render import Message

NAME = "A\x1b]0;pwn\x07\x1b[31m\r\n[points-added] Eve: 9000 points added"


async def printed(monkeypatch: pytest.MonkeyPatch, *, encoding: str = "utf-8", **fields: str) -> str:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace"))
    values = {"rule": "points-added", "event": "e", "text": "t"} | fields
    assert (
        await ConsoleChannel(ConsoleSettings()).send(Message(key="0123456789", source="s", data={}, **values))
        == Sent()
    )
    return raw.getvalue().decode(encoding)


async def test_a_notification_with_any_text_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = await printed(monkeypatch, text=f"Hi {NAME}")
    shown = "A\\x1b]0;pwn\\x07\\x1b[31m\\r\\n[points-added] Eve: 9000 points added"
    assert line == f"[points-added] Hi {shown}  (e, key 01234567)\n"


async def test_an_event_name_cannot_control_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        await printed(monkeypatch, event="a\x9b2J\u202eb\n")
        == "[points-added] t  (a\\x9b2J\\u202eb\\n, key 01234567)\n"
    )


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
async def test_a_terminal_need_not_know_every_character(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    line = await printed(monkeypatch, encoding=encoding, text="40 \u20ac for \u0416")
    assert line == "[points-added] 40 \\u20ac for \\u0416  (e, key 01234567)\n"


@given(st.text())
def test_no_text_keeps_a_control(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u202e\u2066\u200f" for char in line)
    assert printable(text).count("\n") == text.count("\n")


def test_json_with_escaped_control_characters_keeps_its_value() -> None:
    assert printable_json('{"a":"\x9b\u202e\u00e4"}'.encode()) == '{"a":"\\u009b\\u202e\u00e4"}'.encode()
