"""The page and the API of waiting notifications."""

from __future__ import annotations

from broker.monitoring import stats
from broker.redis.client import Client
from tests.inspector.api.calling import calling
from tests.inspector.operations.waiting_notifications import worker_with_waiting
from tests.inspector.stack import accept
from tests.inspector.web.serving import CONFIGURED, USERS, serving
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until


async def test_the_page_lists_filters_and_changes_what_waits(redis_server: RedisServer, redis: Client) -> None:
    async with worker_with_waiting(redis_server, redis, 1):
        pass
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        page = await browser.get("/waiting")
        posted = await browser.post(
            "/waiting", {"csrf": page.csrf, "search": "member1@example.com", "rule": "held"}
        )
        filtered = await browser.get(posted.headers["Location"])
        wrong = [await browser.get(f"/waiting?{query}") for query in ("cause=lost", "cursor=x", "found=unknown")]
        for text in ("held → paused", "attempt 2 in", "answered 503", "quiet hours end in", "1 event in a digest"):
            assert text in page.text
        assert "member1" not in posted.headers["Location"]
        assert ("held → paused" in filtered.text, "night → crm" in filtered.text) == (True, False)
        assert [each.status for each in wrong] == [400, 400, 410]

        form = {
            "csrf": page.csrf,
            "id": filtered.text.split('name="id" value="')[1].split('"')[0],
            "verb": "cancel",
        }
        asked = await browser.post("/waiting/change", form)
        assert "Cancel 1 notification?" in asked.text
        assert (await stats.read_totals(redis)).skipped == 0
        done = await browser.post("/waiting/change", form | {"sure": "yes"})
        again = await browser.post("/waiting/change", form)
        nothing = await browser.post("/waiting/change", form | {"id": ""})
    assert "1 of 1 notification cancelled" in done.text
    assert (again.status, nothing.status) == (409, 400)
    assert (await stats.read_totals(redis)).skipped == 1


async def test_texts_of_payloads_are_escaped_and_masked(redis_server: RedisServer, redis: Client) -> None:
    async def both_are_held() -> bool:
        return await redis.zcard(KEYS.held_jobs + "paused") == 2

    async with worker_with_waiting(redis_server, redis, 1):
        await accept(redis, b'{"type":"<script>ada@example.com</script>","data":{},"event":{"id":"x"}}')
        await until(both_are_held)
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        page = await browser.get("/waiting")
    assert "&lt;script&gt;" in page.text
    assert "<script>a" not in page.text
    assert "ada@example.com" not in page.text


async def test_only_an_operator_changes_what_waits(redis_server: RedisServer, redis: Client) -> None:
    async with worker_with_waiting(redis_server, redis, 1):
        pass
    async with serving(redis_server.url, users=USERS) as served, served.browser() as browser:
        await browser.log_in("bob", "bobs own password")
        page = await browser.get("/waiting")
        refused = await browser.post("/waiting/change", {"csrf": page.csrf, "verb": "cancel", "sure": "yes"})
    assert "held → paused" in page.text
    assert 'name="verb"' not in page.text
    assert refused.status == 403


async def test_the_api_lists_and_changes_as_it_is_documented(redis_server: RedisServer, redis: Client) -> None:
    async with worker_with_waiting(redis_server, redis, 1, 2):
        pass
    async with calling(redis_server) as api:
        first = (await api.get("/waiting", limit=2)).json
        rest = (await api.get("/waiting", limit=100, cursor=first["cursor"])).json
        ids = {each["id"]: each["cause"] for page in (first, rest) for each in page["notifications"]}
        assert (len(ids), rest["cursor"], rest["incomplete"]) == (7, "", "")
        retries = [name for name, cause in ids.items() if cause == "retry"]
        held = [name for name, cause in ids.items() if cause == "paused"]
        [each] = (await api.get("/waiting", search="member2@example.com", cause="retry")).json["notifications"]
        assert (each["id"] in retries, each["attempt"], each["error"]) == (True, 2, "answered 503")
        sent = (await api.post("/waiting/send-now", {"ids": [retries[0], held[0]]})).json["results"]
        assert [(result["id"], result["outcome"]) for result in sent] == [
            (retries[0], "done"),
            (held[0], "paused"),
        ]
        cancelled = (await api.post("/waiting/cancel", {"ids": held})).json["results"]
        assert {result["outcome"] for result in cancelled} == {"done"}
        assert (await api.post("/waiting/cancel", {"ids": held}, by="bob")).status == 403
        for body in ({"ids": []}, {"ids": ["x"]}, {"ids": [f"0-{'0' * 17}.1-{n}" for n in range(101)]}):
            assert (await api.post("/waiting/cancel", body)).status == 400, body
        assert (await api.get("/waiting", cursor="x")).status == 400
    assert (await stats.read_totals(redis)).skipped == 2
