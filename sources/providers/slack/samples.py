"""Sample events, slash commands and interactions of Slack."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from sources.shared.json_body import hash_of

COMMAND, INTERACTION = "command:", "interaction:"
"""The beginning of the event name of a slash command or an interaction."""


def sample(number: int, event: str) -> bytes:
    """An event that a member causes in a channel; a form for a slash command or an interaction."""
    if event.startswith(COMMAND):
        return urlencode(_command(number, event.removeprefix(COMMAND))).encode()
    if event.startswith(INTERACTION):
        interaction = _interaction(number, event.removeprefix(INTERACTION))
        return urlencode({"payload": msgspec.json.encode(interaction)}).encode()
    return msgspec.json.encode(_event(number, event))


def sample_headers(_number: int, event: str) -> Mapping[str, str]:
    """The content type of a form; none is needed for an event."""
    is_form = event.startswith((COMMAND, INTERACTION))
    return {"content-type": "application/x-www-form-urlencoded"} if is_form else {}


def _event(number: int, event: str) -> dict[str, Any]:
    now_s = int(time.time())
    inner: dict[str, Any] = {
        "type": event,
        "user": f"U{number:08d}",
        "text": f"<@U0HOOKLINE> sample {number}",
        "ts": f"{now_s}.{number % 1_000_000:06d}",
        "channel": "C0SAMPLE1",
        "event_ts": f"{now_s}.{number % 1_000_000:06d}",
    }
    if event == "message":
        inner["channel_type"] = "channel"
    return {
        "team_id": "T0SAMPLE1",
        "api_app_id": "A0SAMPLE1",
        "event": inner,
        "type": "event_callback",
        "event_id": f"Ev{hash_of(f'{event}/{number}'.encode())[:10].upper()}",
        "event_time": now_s,
    }


def _command(number: int, command: str) -> dict[str, str]:
    return {
        "team_id": "T0SAMPLE1",
        "team_domain": "sample",
        "channel_id": "C0SAMPLE1",
        "channel_name": "general",
        "user_id": f"U{number:08d}",
        "user_name": f"member{number}",
        "command": command,
        "text": f"sample {number}",
        "api_app_id": "A0SAMPLE1",
        "response_url": f"https://hooks.slack.com/commands/T0SAMPLE1/{number}/sample",
        "trigger_id": _trigger_id(f"{command}/{number}"),
    }


def _interaction(number: int, kind: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "type": kind,
        "team": {"id": "T0SAMPLE1", "domain": "sample"},
        "user": {"id": f"U{number:08d}", "username": f"member{number}", "team_id": "T0SAMPLE1"},
        "api_app_id": "A0SAMPLE1",
        "trigger_id": _trigger_id(f"{kind}/{number}"),
    }
    if kind == "block_actions":
        action = {"type": "button", "action_id": "approve", "block_id": "sample", "value": str(number)}
        channel = {"id": "C0SAMPLE1", "name": "general"}
        return content | {"channel": channel, "actions": [action]}
    if kind.startswith("view_"):
        return content | {"view": {"id": f"V{number:08d}", "callback_id": "sample", "state": {"values": {}}}}
    return content | {"callback_id": "sample"}


def _trigger_id(seed: str) -> str:
    return f"1234567890.1234567890.{hash_of(seed.encode())}"
