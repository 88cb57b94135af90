"""Tests of `hookline explain` for rules that enrich: it shows the lookup and makes no request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from launcher.cli import app

CONFIG = """
[sources.shop.api]
url = "http://127.0.0.1:9"
app_id = "app"

[[rules]]
name = "mail"
events = ["*"]
channel = "console"
text = "{{ customer.email }}"
enrich = ["customer"]
"""
TOKEN = "token-91ab52"


@pytest.fixture
def explained(tmp_path: Path) -> Any:
    def explain(body: object, *options: str) -> tuple[int, str]:
        (tmp_path / "hookline.toml").write_text(CONFIG)
        (tmp_path / "body.json").write_text(json.dumps(body))
        words = ["--config", str(tmp_path / "hookline.toml"), "explain", str(tmp_path / "body.json"), *options]
        env = {"COLUMNS": "200", "HOOKLINE_SOURCES_SHOP_API_TOKEN": TOKEN}
        ran = CliRunner().invoke(app, words, env=env)
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        assert TOKEN not in ran.output
        return ran.exit_code, ran.output

    return explain


def test_the_lookup_is_shown_and_a_text_that_needs_it_is_not_a_dead_letter(explained: Any) -> None:
    body = {"voucher": {"holder_id": "cust_1"}}

    code, page = explained(body)
    _, line = explained(body, "--json")

    assert code == 0
    assert "GET /v1/customers/cust_1, and fills in what the payload lacks" in page
    assert "needs the looked-up data: text of rule 'mail': 'customer' is undefined" in page
    [rule] = json.loads(line)["rules"]
    assert rule["notifications"][0]["looks_up"] == ["GET /v1/customers/cust_1"]


def test_a_text_that_needs_no_lookup_is_shown(explained: Any) -> None:
    code, page = explained({"customer": {"id": "cust_1", "email": "ada@example.com"}})

    assert code == 0
    assert "GET /v1/customers/cust_1" in page
    assert "needs the looked-up data" not in page


def test_a_payload_without_a_customer_would_be_a_dead_letter(explained: Any) -> None:
    code, page = explained({"points": 3})

    assert code == 1
    assert "customer unknown: the payload does not say whom to look up; text of rule 'mail':" in page
