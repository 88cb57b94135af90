"""The content of the first page, and its cost."""

from __future__ import annotations

import asyncio
import re
import time

from broker.monitoring.alerts import Alert, raise_alert
from broker.monitoring.spilled import Spilled
from broker.monitoring.stats import add_refused
from broker.redis.client import Client
from inspector.http.app_context import Configured
from sources.settings import Settings as SourceSettings
from tests.inspector.stack import TO_CRM, accept, crm, running_receiver, running_worker, sample, wait_until_idle
from tests.inspector.web.serving import serving
from tests.names import KEYS
from tests.redis_server import RedisServer


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def page_of(server: RedisServer, path: str = "/", configured: Configured | None = None) -> str:
    configuration = configured or Configured(sources={"voucherify": SourceSettings()}, channels=("console", "crm"))
    async with serving(server.url, configured=configuration) as served, served.browser() as browser:
        answer = await browser.get(path)
        assert answer.status == 200
        return answer.text


async def test_the_overview_shows_both_sums_the_queue_and_dead_letters(
    redis_server: RedisServer, redis: Client
) -> None:
    await accept(redis, sample(1), sample(2), sample(2), b"{")
    async with running_receiver() as server, running_worker(redis_server, rules=TO_CRM, channels=crm(server.url)):
        await wait_until_idle(redis)
        server.status = 400
        await accept(redis, sample(3))
        await wait_until_idle(redis)
    await accept(redis, sample(4), sample(5))
    await add_refused(redis, {"401": 2})

    text = words(await page_of(redis_server))

    assert "accepted 7 = processed 3 + duplicate 1 + dead at intake 1 + queued 2" in text
    assert "created 3 = sent 2 + skipped 0 + dead 1 + waiting 0" in text
    assert text.count("All accounted for") == 2
    assert "Queue 2 webhooks, oldest waits" in text
    assert "Dead letters 2 0 replayed, 0 discarded" in text
    assert "2 \N{MULTIPLICATION SIGN} 401" in text
    assert "last webhook" in text


async def test_problems_are_shown_at_the_top(redis_server: RedisServer, redis: Client) -> None:
    now_ms = time.time_ns() // 1_000_000
    await redis.hincrby(KEYS.stats_total, "sent", 1)
    await raise_alert(
        redis, Alert(kind="silence", source="shop", since_ms=1, text="nothing <b>came</b>"), mark_ms=9
    )
    await redis.sadd(KEYS.channels, "crm", "mail")
    await redis.hset(f"{KEYS.channel}crm", mapping={"failures": 9, "opened": 1, "open_until_ms": now_ms + 90_000})
    await redis.hset(f"{KEYS.channel}mail", mapping={"paused_since_ms": now_ms - 90_000})
    on_disk = {"here:/spill": Spilled(bodies=3, bytes=2048, oldest_ms=now_ms - 1000, at_ms=now_ms)}

    text = await page_of(redis_server, configured=Configured(channels=("crm",), spilled=lambda: on_disk))

    text = words(text)
    top = text[: text.index("All accounted for")]
    for notice in (
        "Notifications: counters are off by -1",
        "silence, for",
        "No worker is running",
        "here:/spill: 3 webhooks",
    ):
        assert notice in top
    assert "nothing &lt;b&gt;came&lt;/b&gt;" in text
    assert "Counters are off by -1" in text
    assert "crm circuit breaker open, next probe in" in text
    assert "mail paused for 1 min" in text


async def test_an_alert_of_dead_letters_leads_to_their_groups(redis_server: RedisServer, redis: Client) -> None:
    for kind, source in (("silence", "shop"), ("dead_new", ""), ("channel_failing", "crm")):
        await raise_alert(redis, Alert(kind=kind, source=source, since_ms=1, text="look"), mark_ms=9)

    text = await page_of(redis_server)

    assert text.count('<a href="/groups">Show groups</a>') == 1
    assert text.count('<a href="/channels">Show channels</a>') == 1


async def test_a_redis_that_may_lose_data_is_reported(redis_server: RedisServer, redis: Client) -> None:
    await redis.config_set("maxmemory", "1gb")
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        text = words(await page_of(redis_server))
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 0)

    assert "Redis may evict keys" in text
    assert "of 1.0 GiB" in text


async def test_plots_are_described_in_words_and_in_a_table(redis_server: RedisServer, redis: Client) -> None:
    minute = int(time.time() // 60) - 3
    await redis.hset(f"{KEYS.stats_minute}{minute}", mapping={"accepted": 120, "sent": 60, "dead_at_intake": 4})

    text = await page_of(redis_server)

    assert re.search(r"<desc [^>]+>120 webhooks answered 202 in 1 hour: maximum 120, now 0 a minute.</desc>", text)
    assert "4 webhooks and notifications that became dead letters in 1 hour" in text
    at = time.strftime("%H:%M", time.gmtime(minute * 60))
    assert f"{at} 120 60 0 4" in words(text)
    for name, points in (("1h", 60), ("6h", 72), ("24h", 96), ("../", 60)):
        assert (await page_of(redis_server, f"/?range={name}")).count('<tr><th scope="row">') >= points


async def test_the_live_part_is_the_page_without_its_frame(redis_server: RedisServer) -> None:
    whole = await page_of(redis_server, "/?range=6h")
    part = await page_of(redis_server, "/?range=6h&live=1")

    assert "<html" not in part and "Skip to the content" not in part
    assert '<h2 id="plots-title">' in part
    assert 'data-live="/?range=6h&amp;live=1"' in whole


async def test_many_open_pages_read_redis_as_often_as_one(redis_server: RedisServer, redis: Client) -> None:
    async with serving(redis_server.url) as served, served.browser() as browser:
        await browser.get("/")
        before = await commands(redis)
        answers = await asyncio.gather(*(browser.get("/?live=1") for _ in range(20)))
        assert {answer.status for answer in answers} == {200}
        assert await commands(redis) - before < 2 * 60 + 100  # at most one additional read


async def commands(redis: Client) -> int:
    return int((await redis.info("stats"))["total_commands_processed"])
