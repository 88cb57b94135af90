"""The page and the API of the history of events."""

from __future__ import annotations

from broker.redis.client import Client
from tests.inspector.api.calling import calling
from tests.inspector.cli.command_line import refused_by_crm
from tests.inspector.stack import accept, running_worker, sample, wait_until_idle
from tests.inspector.web.dead_letter_fixtures import CONFIGURED
from tests.inspector.web.serving import serving
from tests.redis_server import RedisServer


async def test_the_page_shows_each_attempt_with_its_dead_letter(redis_server: RedisServer, redis: Client) -> None:
    [letter] = await refused_by_crm(redis_server, redis, 1)
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        page = await browser.get("/events?search=member1@example.com")
        none = await browser.get("/events?search=member2@example.com")
    assert page.status == 200
    assert "to-crm → crm" in page.text
    assert f'<a href="/dead/{letter}">' in page.text
    assert "answered 400" in page.text
    assert "No events match" in none.text


async def test_texts_of_payloads_are_escaped_and_masked(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, b'{"type":"<script>ada@example.com</script>","data":{},"event":{"id":"x"}}')
    async with running_worker(redis_server):
        await wait_until_idle(redis)
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        page = await browser.get("/events")
    assert "&lt;script&gt;" in page.text
    assert "<script>a" not in page.text
    assert "ada@example.com" not in page.text


async def test_the_newest_page_is_live_and_older_pages_are_not(redis_server: RedisServer, redis: Client) -> None:
    await accept(redis, *map(sample, range(60)))
    async with running_worker(redis_server):
        await wait_until_idle(redis)
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        newest = await browser.get("/events")
        older = newest.text.split('rel="next" href="')[1].split('"')[0]
        next_page = await browser.get(older.replace("&amp;", "&"))
        live = await browser.get("/events?live=1", headers={"X-Live": "1"})
    assert "data-live=" in newest.text
    assert "data-live=" not in next_page.text
    assert newest.text.count('class="letter-line"') == 50
    assert next_page.text.count('class="letter-line"') == 10
    assert live.status == 200


async def test_a_search_is_in_no_address(redis_server: RedisServer, redis: Client) -> None:
    await refused_by_crm(redis_server, redis, 1)
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        csrf = (await browser.get("/events")).csrf
        posted = await browser.post("/events", {"csrf": csrf, "search": "member1@example.com", "rule": "to-crm"})
        address = posted.headers["Location"]
        page = await browser.get(address)
        expired = await browser.get("/events?found=unknown")
    assert "member1" not in address
    assert "rule=to-crm" in address
    assert "to-crm → crm" in page.text
    assert expired.status == 410


async def test_a_wrong_filter_is_refused_with_the_reason(redis_server: RedisServer) -> None:
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        for query in ("since=yesterday", "state=lost", "cursor=x"):
            page = await browser.get(f"/events?{query}")
            assert page.status == 400, query


async def test_the_api_lists_events_as_it_is_documented(redis_server: RedisServer, redis: Client) -> None:
    [letter] = await refused_by_crm(redis_server, redis, 1)
    async with calling(redis_server) as api:
        answer = await api.get("/events", search="crm-00000001", state="dead", limit=5)
        [event] = answer.json["events"]
        [attempt] = event["notifications"][0]["attempts"]
        assert (attempt["dead_letter"], attempt["status"]) == (letter, 400)
        assert answer.json["cursor"] == ""
        assert (await api.get("/events", state="sent")).json["events"] == []
        assert (await api.get("/events", cursor="x")).status == 400
        assert (await api.get("/events", by="")).status == 401
