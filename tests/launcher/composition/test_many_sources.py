"""Sources of every provider in one receiver and one worker: under load none of them touches another."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path

import aiohttp
from msgspec import Struct
from multidict import CIMultiDict

from broker.monitoring.stats import read_totals
from broker.redis.client import Client
from sources import KINDS
from sources.provider import Provider
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests import plugin
from tests.launcher.running import ROOT
from tests.launcher.stack import Stack
from tests.redis_server import RedisServer
from tests.sink import running_sink
from tests.until import until

WEBHOOKS = 25
PUBLIC_URL = "https://hooks.example.com"
STEPS = ("header", "signature", "timestamp", "secret", "token")
DEFECTIVE = """
from msgspec.structs import replace
from sources.providers.github import GITHUB

def decode(body, hint, headers={}):
    raise RuntimeError("a defect of this provider")

PROVIDER = replace(GITHUB, name="defective", decode=decode)
"""


class Sender(Struct, frozen=True):
    """The provider behind a source, with the secret that it signs with."""

    source: str
    kind: Provider
    secret: Secret

    def webhook(self, number: int, secret: Secret | None = None) -> tuple[bytes, Mapping[str, str]]:
        event = self.kind.sample_event
        body, headers = self.kind.sample(number, event), self.kind.sample_headers(number, event)
        url = f"{PUBLIC_URL}/webhooks/{self.source}"
        request = SignedRequest(body, CIMultiDict(headers), "POST", url, time.time())
        secret = secret or self.secret
        return self.kind.sign_body(request, secret), {**headers, **self.kind.sign(request, secret)}

    def events(self, body: bytes) -> int:
        return len(self.kind.split(body)) if self.kind.split else 1


def senders() -> list[Sender]:
    """At least eight; several of a provider have different secrets."""
    kinds = islice(cycle(KINDS.values()), max(8, len(KINDS)))
    return [Sender(f"s{place}-{kind.name}", kind, Secret(kind.new_secret())) for place, kind in enumerate(kinds)]


def config(stack: Stack, sink_url: str, sources: Mapping[str, tuple[str, Secret]]) -> str:
    tables = [f'[receiver]\npublic_url = "{PUBLIC_URL}"']
    for name, (kind, secret) in sources.items():
        stack.write_secret(f"{name}.key", secret.reveal().decode())
        tables.append(f'[sources.{name}]\nkind = "{kind}"\nsecrets = ["file:{name}.key"]')
    tables.append(f'[channels.sink]\nkind = "http"\nurl = "{sink_url}"\nallow_private = true')
    tables.append('[[rules]]\nname = "all"\nevents = ["*"]\nchannel = "sink"')
    return "\n\n".join(tables)


async def test_eight_sources_under_load_do_not_touch_each_other(
    tmp_path: Path, redis_server: RedisServer, redis: Client
) -> None:
    plugin.install(tmp_path, "defective-hooks", "defective = defective_hooks:PROVIDER", defective_hooks=DEFECTIVE)
    good = senders()
    github = KINDS["github"]
    failing = Sender("failing", github, Secret(github.new_secret()))
    # The receiver has another secret than the one that this provider signs with.
    mistaken = Sender("mistaken", github, Secret(github.new_secret()))
    sources = {sender.source: (sender.kind.name, sender.secret) for sender in good}
    sources |= {"failing": ("defective", failing.secret), "mistaken": ("github", Secret(github.new_secret()))}
    stack = Stack(tmp_path, redis_server, PYTHONPATH=f"{ROOT}:{tmp_path}")

    async with running_sink() as sink, aiohttp.ClientSession() as session:

        async def post(sender: Sender, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
            async with session.post(stack.url(sender.source), data=body, headers=headers) as answer:
                return answer.status, await answer.text()

        async def refused_with_a_reason(sender: Sender) -> None:
            status, text = await post(sender, *sender.webhook(1, Secret(sender.kind.new_secret())))
            assert status == 401, (sender.source, text)
            assert any(step in text for step in STEPS), (sender.source, text)

        stack.configure(config(stack, sink.url, sources))
        try:
            await stack.start("receiver")
            await stack.start("worker")
            calls = [
                (sender, *sender.webhook(number))
                for number in range(WEBHOOKS)
                for sender in (*good, failing, mistaken)
            ]
            # Each webhook is sent twice, as after an answer that was lost.
            answers = await asyncio.gather(*(post(*call) for call in (*calls, *calls)))
            await asyncio.gather(*(refused_with_a_reason(sender) for sender in (*good, failing)))
            expected = Counter[str]()
            for sender, body, _ in calls:
                expected[sender.source] += sender.events(body) if sender in good else 0

            async def is_done() -> bool:
                totals = await read_totals(redis)
                counted = totals.processed + totals.duplicate + totals.dead_at_intake
                ended = totals.accepted == counted and totals.dead_at_intake == 2 * WEBHOOKS
                return ended and totals.sent == totals.created > 0

            await until(is_done)
        finally:
            stack.kill()

    statuses = {
        (sender.source, status) for (sender, _, _), (status, _) in zip((*calls, *calls), answers, strict=True)
    }
    assert statuses == {
        *((sender.source, sender.kind.success_status) for sender in good),
        ("failing", github.success_status),
        ("mistaken", 401),
    }
    assert set(sink.times.values()) == {1}
    assert Counter(notification["source"] for notification in sink.got) == expected
