"""Tests of `hookline url` as an operator runs it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from receiver.errors import RejectedError
from receiver.ingress.source_verifier import SourceVerifier
from sources.secret import Secret
from sources.settings import Settings
from tests.launcher.running import environment, hookline

SECRETS = ("the new secret of the shop", "the old secret of the shop")
CONFIG = """
[sources.shop]
kind = "voucherify"
{settings}
"""


def run(
    tmp_path: Path, *arguments: str, settings: str = "url_key = true", secrets: str = ",".join(SECRETS)
) -> str:
    (tmp_path / "hookline.toml").write_text(CONFIG.format(settings=settings))
    done = hookline("url", *arguments, cwd=tmp_path, env=environment(HOOKLINE_SOURCES_SHOP_SECRETS=secrets))
    return f"{done.returncode} {(done.stdout or done.stderr).strip()}"


def test_the_url_has_a_key_that_the_receiver_accepts_for_this_event_alone(tmp_path: Path) -> None:
    code, url = run(tmp_path, "crm.order & more", "--base", "https://hooks.example.com/").split(" ", 1)
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}

    assert (code, parts.netloc, parts.path) == ("0", "hooks.example.com", "/webhooks/shop")
    gate = SourceVerifier("shop", Settings(secrets=tuple(map(Secret, SECRETS)), url_key=True))
    gate.check_event(b"{}", query["event"], query["key"])
    with pytest.raises(RejectedError):
        gate.check_event(b"{}", "crm.order", query["key"])
    assert not any(secret in url for secret in SECRETS)


def test_without_an_address_it_is_that_of_the_configured_receiver(tmp_path: Path) -> None:
    assert run(tmp_path, "a.b").startswith("0 http://127.0.0.1:8080/webhooks/shop?event=a.b&key=")


@pytest.mark.parametrize(
    ("arguments", "settings", "reason"),
    [
        (("made.up",), "", "is not an event of voucherify"),
        (("made.up",), 'events = ["a.b"]', "sources.shop.events does not list 'made.up'"),
        (("",), "", "EVENT is empty"),
        (("x" * 201,), "url_key = true", "at most 200 printable characters"),
        (("a.b", "--source", "other"), "url_key = true", "no such source"),
    ],
)
def test_names_that_the_receiver_would_refuse_are_reported_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], settings: str, reason: str
) -> None:
    answer = run(tmp_path, *arguments, settings=settings)

    assert answer.startswith("2 hookline: ")
    assert reason in answer
    assert "\n" not in answer
