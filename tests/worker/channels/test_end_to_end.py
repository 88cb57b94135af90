"""A webhook from the stream to the kinds of channels that no other test covers end to end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from sources.voucherify import VOUCHERIFY
from sources.voucherify.models import MODELS
from tests.redis_server import RedisServer
from tests.worker.channels import functions
from tests.worker.channels.servers import smtp_server
from tests.worker.conftest import POINTS_ADDED, send, wait_until_idle, webhook
from worker.channels.settings import ChannelSettings, EmailSettings, FileSettings, PythonSettings
from worker.main import run
from worker.rules.rules import Rule
from worker.settings import Settings
from worker.worker_source import WorkerSource


async def test_a_webhook_becomes_a_call_an_email_and_a_line(
    redis: Client, redis_server: RedisServer, tmp_path: Path
) -> None:
    functions.calls.clear()
    rules = tuple(
        Rule(name=name, events=("*",), channel=name, text="{{ balance.points }}", to="{{ customer.id }}@x.org")
        for name in ("crm", "mail", "log")
    )
    async with smtp_server() as server:
        channels: dict[str, ChannelSettings] = {
            "crm": PythonSettings(target="tests.worker.channels.functions:note"),
            "mail": EmailSettings(
                host="127.0.0.1",
                port=server.port,
                security="none",
                sender="shop@example.com",
                unsubscribe="mailto:leave@example.com",
            ),
            "log": FileSettings(path=str(tmp_path / "out.jsonl")),
        }
        stop = asyncio.Event()
        sources = {"voucherify": WorkerSource(VOUCHERIFY, 7)}
        running = asyncio.create_task(
            run(Settings(), sources, rules, channels, RedisSettings(url=redis_server.url), stop=stop)
        )
        body = webhook(7)
        await send(redis, body)
        totals = await wait_until_idle(redis)
        stop.set()
        await running
        recipients = server.box.recipients
    assert (totals.created, totals.sent) == (3, 3)
    assert len(recipients) == 1
    ((event, key),) = functions.calls
    assert (type(event.model), event.raw) == (MODELS[POINTS_ADDED], body)
    line = msgspec.json.decode((tmp_path / "out.jsonl").read_bytes())
    assert line["text"] == event.text == server.box.mails[0].get_content().strip()
    assert len({key, line["key"], server.box.mails[0]["Message-ID"]}) == 3
