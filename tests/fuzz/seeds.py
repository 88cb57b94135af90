"""Seeds of the fuzzers: valid inputs, from which they mutate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import zstandard

from broker.queue import batch, jobs
from broker.queue.batch import RawBody
from broker.queue.jobs import Attempt, Notification, NotifyJob
from sources.secret import Secret
from sources.voucherify import VOUCHERIFY, sign
from sources.voucherify.models import MODELS
from tests.sources.payloads import PAYLOADS, compact, project_webhook, webhook

ROOT = Path(__file__).parents[2]
NAMES = sorted(MODELS)
TOML = b"""
[receiver]
port = 0
trusted_proxies = ["10.0.0.0/8"]
[sources.shop]
kind = "voucherify"
secrets = ["file:/nowhere"]
addresses = ["eu1", "192.0.2.7"]
[channels.chat]
kind = "http"
url = "https://chat.example.com/hook"
[channels.chat.retry]
attempts = 3
[[rules]]
name = "points"
events = ["*points_added"]
when = "balance.points > 10"
channel = "chat"
text = "{{ customer.name }}: {{ balance.points }}"
"""


def _bodies() -> list[bytes]:
    bodies = [compact(wrap(name, data)) for name, data in PAYLOADS.items() for wrap in (webhook, project_webhook)]
    raw = [name.encode() + b"\0" + compact(data) for name, data in PAYLOADS.items()]
    return [b"\0" + body for body in [*bodies, *(VOUCHERIFY.sample(1, name) for name in NAMES)]] + raw


def _signatures() -> list[bytes]:
    bodies = [b'{"a":1}', b'{\n  "a\\"b": [1, null]\n}', b"  message  ", b""]
    return [sign(body, Secret("wrong")).encode() + b"\0" + body for body in bodies]


def _stored() -> list[bytes]:
    body = RawBody(1, "voucherify", "", b'{"a":1}')
    attempt = Attempt(1, 2, "retry", "ConnectionError", "503")
    notification = Notification("key", "rule", "customer.created", body, (attempt,))
    job = jobs.encode(NotifyJob("chat", 1, 1, [notification]))
    packed = batch.encode([body, body])
    return [packed, job, zstandard.decompress(packed), jobs.deserialize(job)["a"][0].blob]


def _configs() -> list[bytes]:
    files = [TOML, (ROOT / "deploy" / "hookline.toml").read_bytes()]
    return [*files, b"\0RECEIVER_PORT=80\0SOURCES_SHOP_SECRETS=abc,def", b"\0RULES=[{}]\0CHANNELS_X_KIND=http"]


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "signature": _signatures,
    "batch": _stored,
    "decode": _bodies,
    "config": _configs,
}
