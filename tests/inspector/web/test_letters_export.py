"""The download of a filtered list."""

import json

import pytest
from aiohttp import hdrs

from broker.monitoring import audit
from broker.redis.client import Client
from inspector.web import dead_letters
from tests.inspector.stack import make_dead_letters, sample
from tests.inspector.web.serving import USERS, serving
from tests.redis_server import RedisServer


async def test_a_filtered_export_is_json_lines_and_is_audited(redis_server: RedisServer, redis: Client) -> None:
    await make_dead_letters(redis_server, redis, sample(1), sample(2), hint="order.paid")
    await make_dead_letters(redis_server, redis, sample(3), hint="other")
    async with serving(redis_server.url, users=USERS) as served, served.browser() as ann:
        await ann.log_in()
        page = await ann.get("/dead?event=order.paid")
        answer = await ann.post("/dead/export", {"csrf": page.csrf, "event": "order.paid"})

    assert "Export 2 letters as JSON lines" in page.text
    assert (answer.status, answer.headers[hdrs.CONTENT_TYPE]) == (200, "application/jsonl")
    assert len([json.loads(line) for line in answer.text.splitlines()]) == 3  # a header first
    assert next(row.audit_entry.what for row in await audit.read(redis)) == "export"


async def test_a_user_who_may_not_see_personal_data_may_not_export(
    redis_server: RedisServer, redis: Client
) -> None:
    await make_dead_letters(redis_server, redis, sample(1))
    async with serving(redis_server.url, users=USERS) as served, served.browser() as bob:
        await bob.log_in("bob", "bobs own password")
        page = await bob.get("/dead")
        answer = await bob.post("/dead/export", {"csrf": page.csrf})

    assert "as JSON lines" not in page.text
    assert answer.status == 403


@pytest.mark.parametrize(("bound", "most"), [("MAX_EXPORTED", 1), ("MAX_EXPORTED_BYTES", 4000)])
async def test_more_than_fits_a_download_is_left_to_the_command(
    redis_server: RedisServer, redis: Client, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(dead_letters, bound, most)
    await make_dead_letters(redis_server, redis, sample(1), sample(2))
    async with serving(redis_server.url) as served, served.browser() as browser:
        page = await browser.get("/dead")
        answer = await browser.post("/dead/export", {"csrf": page.csrf})

    assert answer.status == 413
    assert "hookline dead export" in answer.text
