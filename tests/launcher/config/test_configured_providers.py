"""Sources whose provider is a table: every fault at once, and one of them from its webhook to its notification."""

from __future__ import annotations

import base64
import hmac
import tomllib
from pathlib import Path

import pytest

from broker.redis.client import Client
from launcher.config.config import load, read
from launcher.errors import ConfigError
from tests.inspector.stack import running_receiver, wait_until_idle
from tests.launcher.stack import Stack
from tests.redis_server import RedisServer

WOOCOMMERCE = """\
[sources.shop]
kind = "hmac"
secrets = ["file:shop.key"]

[sources.shop.hmac]
header = "x-wc-webhook-signature"
encoding = "base64"
event = "header:x-wc-webhook-topic"
id = "header:x-wc-webhook-delivery-id"
"""

FAULTY = """\
[receiver]
kept_headers = ["x-mac"]

[sources.shop]
kind = "hmac"
[sources.shop.hmac]
header = "no header"
signed = "{header:x}{body}"
event = "body:type"
id = "header:x-token"
split = "a..b"
timestamp = "somewhere"
success_status = 404
algorithm = "md5"
colour = 1

[sources.till]
kind = "hmac"

[sources.open]
kind = "none"

[sources.web]
kind = "token"
[sources.web.hmac]
header = "x-mac"
"""


def faults(text: str, tmp_path: Path) -> dict[str, tuple[int, str]]:
    file = tmp_path / "hookline.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    return {fault.path: (fault.line, fault.reason) for fault in caught.value.faults}


def test_every_fault_of_a_table_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    found = faults(FAULTY, tmp_path)
    lines = FAULTY.splitlines()
    for name in ("header", "signed", "event", "id", "split", "timestamp", "success_status", "algorithm", "colour"):
        line, reason = found[f"sources.shop.hmac.{name}"]
        assert lines[line - 1].startswith(f"{name} ="), (name, line)
        assert reason


def test_tables_that_contradict_their_source_are_reported_together(tmp_path: Path) -> None:
    found = faults(FAULTY[FAULTY.index("[sources.till]") :] + "[receiver]\nkept_headers = []\n", tmp_path)
    assert {path: line for path, (line, _) in found.items()} == {
        "sources.till.hmac": 1,
        "sources.open.addresses": 4,
        "sources.web.hmac": 9,
    }


@pytest.mark.parametrize(
    ("toml", "path", "cure"),
    [
        ('kind = "none"\naddresses = ["0.0.0.0/0"]', "sources.a.addresses[0]", "every address"),
        ('kind = "token"\n[sources.a.token]\nbasic = true\nprefix = "x"', "sources.a.token.prefix", "remove"),
        ('kind = "hmac"\n[sources.a.hmac]\nheader = "x-mac"\nid = "header:x-mac"', "sources.a.hmac", "x-mac"),
        (
            'kind = "hmac"\n[sources.a.hmac]\nheader = "x-mac"\nsigned = "{url}{body}"',
            "receiver.public_url",
            "https://",
        ),
        (
            'kind = "hmac"\n[sources.a.hmac]\nheader = "x-mac"\n[receiver]\nkept_headers = ["X-Mac"]',
            "receiver.kept_headers[0]",
            "remove",
        ),
    ],
)
def test_a_fault_says_how_to_fix_it(tmp_path: Path, toml: str, path: str, cure: str) -> None:
    assert cure in faults(f"[sources.a]\n{toml}\n", tmp_path)[path][1]


def test_a_secret_that_is_not_written_as_the_table_says_is_a_fault_that_does_not_show_it() -> None:
    tables = tomllib.loads('[sources.a]\nkind = "hmac"\n[sources.a.hmac]\nheader = "x-mac"\nkey = "hex"')
    with pytest.raises(ConfigError) as caught:
        read(tables, {"HOOKLINE_SOURCES_A_SECRETS": "not hex at all"})
    assert "sources.a.secrets[0]" in str(caught.value)
    assert "not hex at all" not in str(caught.value)


def test_a_table_can_come_from_the_environment() -> None:
    environ = {"HOOKLINE_SOURCES_A_KIND": "hmac", "HOOKLINE_SOURCES_A_HMAC_HEADER": "x-mac"}
    table = read({}, environ).sources["a"].hmac
    assert table is not None
    assert table.header == "x-mac"


async def test_a_provider_without_code_works_from_its_webhook_to_its_notification(
    tmp_path: Path, redis_server: RedisServer, redis: Client
) -> None:
    assert len(WOOCOMMERCE.splitlines()) < 15
    stack = Stack(tmp_path, redis_server)
    secret = stack.write_secret("shop.key", "a secret of WooCommerce")
    body = b'{"id": 727, "status": "processing", "total": "29.35", "billing": {"first_name": "Ada"}}'
    signature = base64.b64encode(hmac.digest(secret.reveal(), body, "sha256")).decode()
    headers = {
        "X-WC-Webhook-Signature": signature,
        "X-WC-Webhook-Topic": "order.created",
        "X-WC-Webhook-Delivery-ID": "f3c2b1",
    }
    async with running_receiver() as crm:
        stack.configure(
            f'{WOOCOMMERCE}\n[channels.crm]\nkind = "http"\nurl = "{crm.url}"\nallow_private = true\n'
            '[[rules]]\nname = "orders"\nevents = ["order.created"]\nchannel = "crm"\n'
            'text = "{{ billing.first_name }}: {{ total }}"\n'
        )
        try:
            await stack.start("up")
            assert await stack.post_signed("shop", body, headers) == 202
            assert await stack.post_signed("shop", body, headers) == 202  # sent again
            assert await stack.post_signed("shop", body + b" ", headers) == 401
            totals = await wait_until_idle(redis)
        finally:
            stack.kill()
    assert (totals.processed, totals.duplicate, totals.sent) == (1, 1, 1)
    assert [message["text"] for message in crm.received] == ["Ada: 29.35"]
