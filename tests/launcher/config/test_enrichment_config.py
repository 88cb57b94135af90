"""Tests of `[sources.NAME.api]` and of rules that enrich: every fault is reasons before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from launcher.commands.check.check import as_line, as_text, examine
from launcher.composition.command_context import Context
from launcher.config.config import read
from launcher.errors import ConfigError
from sources.secret import Secret

TOKEN = "token-91ab52"
RULE = {"name": "mail", "events": ["*"], "channel": "console", "enrich": ["customer"]}


def faults(tables: dict[str, Any], environ: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read(tables, environ or {})
    return {fault.path: fault.reason for fault in caught.value.faults}


def test_the_api_is_read_from_the_file_with_the_token_in_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    api = {"region": "us1", "app_id": "app", "token": "file:token", "rate_per_s": 30}

    tables = {"sources": {"shop": {"api": api}}, "rules": [RULE]}
    settings = read(tables, {}, directory=tmp_path).sources["shop"].api

    assert settings is not None
    assert (settings.region, settings.app_id, settings.rate_per_s, settings.timeout_s) == ("us1", "app", 30.0, 5.0)
    assert settings.token == Secret(TOKEN)


def test_the_api_can_come_from_the_environment_alone() -> None:
    environ = {
        "HOOKLINE_SOURCES_SHOP_EU_API_APP_ID": "app",
        "HOOKLINE_SOURCES_SHOP_EU_API_TOKEN": TOKEN,
        "HOOKLINE_SOURCES_SHOP_EU_API_CACHE_S": "0",
    }

    api = read({"sources": {"shop-eu": {}}}, environ).sources["shop-eu"].api

    assert api is not None
    assert (api.app_id, api.token, api.cache_s) == ("app", Secret(TOKEN), 0.0)


def test_without_the_api_no_request_is_made() -> None:
    assert read({}, {}).sources["voucherify"].api is None


def test_every_fault_of_the_api_is_reported_with_its_place() -> None:
    api = {"region": "eu2", "url": "ftp://x", "token": TOKEN, "timeout_s": 0, "rate_per_s": 0, "concurency": 1}

    reasons = faults({"sources": {"shop": {"api": api}, "club": {"api": 7}}})

    assert reasons == {
        "sources.shop.api.app_id": "missing",
        "sources.shop.api.concurency": "unknown setting, did you mean concurrency?",
        "sources.shop.api.rate_per_s": "expected `float` > 0.0",
        "sources.shop.api.region": (
            "no such region, did you mean eu1?; there is as1, eu1 or us1; url gives any other address"
        ),
        "sources.shop.api.timeout_s": "expected `float` > 0.0",
        "sources.shop.api.token": (
            'a secret does not belong in this file: write "file:/path", or set it in the environment'
        ),
        "sources.shop.api.url": "not an address: write https://host[:port][/path]",
        "sources.club.api": "expected a table",
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "https://:80",
        "https://x:99999",
        "https://[",
        "https://a b",
        "https://ü",
        "x.example",
        "https://x\n",
    ],
)
def test_an_invalid_url_is_a_fault(url: str) -> None:
    api = {"app_id": "app", "url": url}
    assert "sources.s.api.url" in faults({"sources": {"s": {"api": api}}}, {"HOOKLINE_SOURCES_S_API_TOKEN": TOKEN})


@pytest.mark.parametrize(
    "url", ["https://me:word@x.example", "https://x.example/?key=word", "https://x.example/#word"]
)
def test_a_url_with_a_secret_is_a_fault_that_does_not_show_it(url: str) -> None:
    api = {"app_id": "app", "url": url}
    reasons = faults({"sources": {"s": {"api": api}}}, {"HOOKLINE_SOURCES_S_API_TOKEN": TOKEN})
    assert list(reasons) == ["sources.s.api.url"]
    assert "word@" not in reasons["sources.s.api.url"]
    assert "key=" not in reasons["sources.s.api.url"]


@pytest.mark.parametrize("token", ["two\nlines-of-token", "with space", "tøkentøken"])
def test_a_token_that_does_not_fit_into_a_header_is_a_fault_that_does_not_show_it(token: str) -> None:
    environ = {"HOOKLINE_SOURCES_S_API_TOKEN": token, "HOOKLINE_SOURCES_S_API_APP_ID": "app"}
    assert faults({}, environ) == {"HOOKLINE_SOURCES_S_API_TOKEN": "a token has visible ASCII characters only"}


def test_a_rule_that_enriches_needs_the_api_of_each_of_its_sources() -> None:
    sources = {"shop": {"api": {"app_id": "app"}}, "club": {}, "other": {}}
    environ = {"HOOKLINE_SOURCES_SHOP_API_TOKEN": TOKEN}
    only = RULE | {"name": "only", "sources": ["shop"]}
    both = RULE | {"name": "both", "sources": ["shop", "cl*"]}

    assert faults({"sources": sources, "rules": [only, both]}, environ) == {
        "rules[1].enrich[0]": "source club has no API: set app_id and token in [sources.club.api]"
    }


def test_a_rule_in_the_environment_is_checked_too_and_against_the_default_source() -> None:
    rules = '[{"name":"a","events":["*"],"channel":"console","enrich":["customer"]}]'
    assert faults({}, {"HOOKLINE_RULES": rules}) == {
        "HOOKLINE_RULES[0].enrich[0]": (
            "source voucherify has no API: set app_id and token in [sources.voucherify.api]"
        )
    }


def test_an_enrichment_that_the_provider_does_not_have_is_a_fault() -> None:
    environ = {"HOOKLINE_SOURCES_SHOP_API_TOKEN": TOKEN, "HOOKLINE_SOURCES_SHOP_API_APP_ID": "app"}
    assert faults({"rules": [RULE | {"enrich": ["custmer"]}]}, environ) == {
        "rules[0].enrich[0]": "voucherify cannot look this up, only customer"
    }


def test_check_shows_the_fault_and_never_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hookline.toml").write_text(
        '[[rules]]\nname = "a"\nevents = ["*"]\nchannel = "console"\nenrich = ["customer"]\n[sources.club]\n'
    )
    monkeypatch.setenv("HOOKLINE_SOURCES_SHOP_API_TOKEN", TOKEN)
    monkeypatch.setenv("HOOKLINE_SOURCES_SHOP_API_APP_ID", "app")

    report = examine(Context(tmp_path / "hookline.toml"))

    assert report.exit_code == 2
    assert "rules[0].enrich[0] (line 5): source club has no API" in as_text(report)
    assert TOKEN not in as_text(report) + as_line(report).decode()


def test_the_config_never_shows_the_token() -> None:
    environ = {"HOOKLINE_SOURCES_SHOP_API_TOKEN": TOKEN, "HOOKLINE_SOURCES_SHOP_API_APP_ID": "app"}
    assert TOKEN not in repr(read({}, environ))
