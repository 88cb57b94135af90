"""`hookline listen` over real HTTP: what it prints, what it answers, and that it stores nothing."""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from launcher.config.secrets import stored_secret
from sources import KINDS
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.launcher.running import Running, environment, hookline

CONFIG = """
[receiver]
public_url = "https://hooks.example.com"

[sources.repo]
kind = "github"

[sources.calls]
kind = "hmac"
[sources.calls.hmac]
header = "x-mac"
signed = "{url}{body}"
event = "path:type"
split = "$"
success_status = 200

[[rules]]
name = "releases"
events = ["release.*"]
sources = ["repo"]
channel = "console"
text = "{{ release.tag_name }}"
"""
SECRET = Secret("a-secret-of-the-repository")
# Nothing listens there: a command that used Redis would fail.
VARIABLES = {
    "HOOKLINE_SOURCES_REPO_SECRETS": SECRET.reveal().decode(),
    "HOOKLINE_SOURCES_CALLS_SECRETS": SECRET.reveal().decode(),
    "REDIS_URL": "redis://127.0.0.1:1",
}


class Listening:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.running: list[Running] = []
        self.url = ""

    async def start(self, *options: str, **variables: str) -> None:
        arguments = ("-m", "launcher", "listen", "--port", "0", *options)
        running = Running(*arguments, cwd=self.directory, env=environment(**variables))
        self.running.append(running)
        await running.says("Ctrl-C stops it")
        match = re.search(r"(http://[\d.:]+)/webhooks", running.output)
        assert match, running.output
        self.url = match[1]

    @property
    def output(self) -> str:
        return self.running[-1].output

    async def send(
        self, path: str, body: bytes, headers: Mapping[str, str] = {}, method: str = "POST"
    ) -> tuple[int, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.json()


@pytest.fixture
async def listening(tmp_path: Path) -> AsyncIterator[Listening]:
    (tmp_path / "hookline.toml").write_text(CONFIG)
    started = Listening(tmp_path)
    yield started
    for running in started.running:
        running.kill()


def github(body: bytes) -> dict[str, str]:
    kind = KINDS["github"]
    return {**kind.sample_headers(1, "release.published"), **kind.sign(SignedRequest(body, {}), SECRET)}


async def test_a_webhook_is_shown_with_its_event_and_rules_or_with_the_failed_step(
    listening: Listening,
) -> None:
    await listening.start("--source", "repo", **VARIABLES)
    body = KINDS["github"].sample(1, "release.published")
    assert await listening.send("/webhooks/repo", body, github(body)) == (202, {"status": "accepted"})
    assert "verified, answered 202\n  event     release.published\n" in listening.output
    assert "rules     releases -> console" in listening.output

    spaced = json.dumps(json.loads(body)).encode()
    status, answer = await listening.send("/webhooks/repo", spaced, github(body))
    assert status == 401
    # A sender learns no more than from the receiver.
    assert "without white space" not in answer["error"]
    assert "without white space" in listening.output
    assert "NOT VERIFIED, answered 401\n  signature: " in listening.output

    assert (await listening.send("/webhooks/repo", b"{", github(b"{")))[0] == 202
    assert "dead      " in listening.output
    assert (await listening.send("/webhooks/repo", b"", method="GET"))[0] == 405
    assert (await listening.send("/webhooks/other", b""))[0] == 404
    assert SECRET.reveal().decode() not in listening.output


async def test_events_of_an_array_are_shown_and_the_tunnels_url_is_the_signed_one(listening: Listening) -> None:
    tunnel = "https://tunnel.example"
    await listening.start("--source", "calls", "--public-url", tunnel, "--json", **VARIABLES)
    body = b'[{"type":"a"},{"type":"b"}]'
    mac = hmac.digest(SECRET.reveal(), f"{tunnel}/webhooks/calls".encode() + body, "sha256").hex()
    assert (await listening.send("/webhooks/calls", body, {"x-mac": mac}))[0] == 200
    report = json.loads(listening.output.splitlines()[-1])
    assert [event["name"] for event in report["events"]] == ["a", "b"]


async def test_a_provider_without_a_config_gets_a_secret(listening: Listening) -> None:
    (listening.directory / "hookline.toml").unlink()
    await listening.start("--provider", "standard", HOOKLINE_UP_DATA_DIR=str(listening.directory / "data"))
    secret = stored_secret(listening.directory / "data", "standard")
    assert secret is not None
    assert secret.reveal().decode() not in listening.output
    kind = KINDS["standard"]
    body = kind.sample(1, "invoice.paid")
    headers = kind.sign(SignedRequest(body, {}, "POST", "", time.time()), secret)
    assert (await listening.send("/webhooks/standard", body, headers))[0] == 202
    assert "event     invoice.paid" in listening.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--provider", "githbu"), "did you mean github?"),
        (("--provider", "hmac", "--source", "absent"), "no such source"),
        (("--provider", "hmac", "--source", "repo"), "source repo has the kind github"),
        (("--provider", "token", "--port", "0", "--host", "203.0.113.1"), "cannot listen on 203.0.113.1"),
        ((), "--source is needed"),
    ],
)
def test_options_that_cannot_work_are_reported_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "hookline.toml").write_text(CONFIG)
    ran = hookline("listen", *arguments, cwd=tmp_path, env=environment(**VARIABLES))
    assert ran.returncode in (1, 2)
    assert reason in ran.stderr.splitlines()[-1]
