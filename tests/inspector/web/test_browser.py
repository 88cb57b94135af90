"""The pages in a real Chromium."""

from __future__ import annotations

import re
import time

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from inspector.http.app_context import Configured
from sources.settings import Settings as SourceSettings
from tests.inspector.web.browsing import faults_in_each_look, faults_of, log_in, tab
from tests.inspector.web.serving import CONFIGURED, USERS, serving
from tests.names import KEYS
from tests.redis_server import RedisServer
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def fill(server: RedisServer) -> None:
    """A Redis with much data to show, some of it problems."""
    now_ms = time.time_ns() // 1_000_000
    with server.client() as redis:
        for ago in range(90):
            counted = {"accepted": 400 + ago, "sent": 500, "duplicate": ago % 7, "dead": ago % 3}
            redis.hset(f"{KEYS.stats_minute}{now_ms // 60_000 - ago}", mapping=counted)
        redis.hset(KEYS.stats_total, mapping={"accepted": 1_234_567, "processed": 1_234_560, "refused:401": 3})
        redis.sadd(KEYS.channels, "crm")
        redis.hset(f"{KEYS.channel}crm", mapping={"failures": 9, "opened": 1, "open_until_ms": now_ms + 600_000})


async def test_the_overview_is_accessible(chromium: Browser, redis_server: RedisServer) -> None:
    fill(redis_server)
    async with serving(redis_server.url) as served, tab(chromium) as page:
        await page.goto(served.url)
        await page.click("summary")

        assert await faults_in_each_look(page) == []


async def test_the_login_page_and_its_error_are_accessible(chromium: Browser, redis_server: RedisServer) -> None:
    async with serving(redis_server.url, users=USERS) as served, tab(chromium) as page:
        await page.goto(served.url)
        assert await faults_in_each_look(page) == []
        await page.fill("#name", "ann")
        await page.fill("#password", "wrong password")
        await page.press("#password", "Enter")

        await expect(page.get_by_role("alert")).to_have_text("Wrong name or password.")
        assert await faults_in_each_look(page) == []


async def test_the_page_for_an_unknown_address_is_accessible(chromium: Browser, redis_server: RedisServer) -> None:
    async with serving(redis_server.url) as served, tab(chromium) as page:
        await page.goto(f"{served.url}/nothing")

        await expect(page.get_by_role("heading")).to_have_text("Not Found")
        assert await faults_of(page) == []


async def test_a_user_logs_in_sees_their_name_and_logs_out(chromium: Browser, redis_server: RedisServer) -> None:
    async with serving(redis_server.url, users=USERS) as served, tab(chromium) as page:
        await page.goto(f"{served.url}/?range=6h")
        await page.fill("#name", "ann")
        await page.fill("#password", "correct horse battery")
        await page.press("#password", "Enter")

        await expect(page.locator(".who-name")).to_have_text("ann")
        assert page.url == f"{served.url}/?range=6h"
        assert await page.evaluate("document.cookie") == ""
        await page.click("text=Log out")
        await page.wait_for_url(f"{served.url}/login")
        await page.goto(served.url)
        assert "/login" in page.url


async def test_the_overview_refreshes_and_keeps_opened_parts_open(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with serving(redis_server.url) as served, tab(chromium) as page:
        await page.clock.install()
        await page.goto(served.url)
        whole = page.locator(".term.whole dd").first
        await expect(whole).to_have_text("0")
        await page.click("summary")
        await page.focus("#range-6h")
        with redis_server.client() as redis:
            redis.hset(KEYS.stats_total, mapping={"accepted": 7, "queued": 7})

        await until(lambda: after_a_look(page, whole, "7"))
        await expect(page.locator("details")).to_have_attribute("open", "")
        await expect(page.locator("#range-6h")).to_be_focused()


async def test_a_plot_shows_the_value_at_the_pointer_and_at_the_place_that_keys_choose(
    chromium: Browser, redis_server: RedisServer
) -> None:
    fill(redis_server)
    async with serving(redis_server.url) as served, tab(chromium, zone="Asia/Kathmandu") as page:
        await page.goto(served.url)
        await page.press("text=Pause", "Enter")  # a refresh at the end of a minute would change the values
        first, newest = page.locator("#as-table tbody tr").last, page.locator("#as-table tbody tr").first
        value = page.locator("#cursor-accepted .plot-value")

        await page.locator("#cursor-accepted").hover(position={"x": 1, "y": 40})
        await expect(value).to_have_text(await value_of(first))
        await page.locator("h1").hover()  # while the pointer is on the plot, the focus changes nothing
        await expect(value).to_be_hidden()
        await page.focus("#cursor-accepted")
        await expect(value).to_have_text(await value_of(newest))
        await page.keyboard.press("Home")
        await expect(page.locator("#cursor-accepted")).to_have_attribute(
            "aria-valuetext", f"{await value_of(first)} per minute"
        )
        assert await faults_of(page) == []
        await page.locator("h1").hover()
        await page.focus("#range-6h")
        await expect(value).to_be_hidden()

        minute_ms = time.time_ns() // 60_000_000_000 * 60_000 - 60_000
        counts = {"channel:sent:crm": "60", "channel:latency1:crm": "60", "source:age0:" + "s" * 90: "30"}
        with redis_server.client() as redis:
            redis.hset(f"{KEYS.series}1:{minute_ms // 60_000}", mapping=counts)
        await page.click("text=By channel")
        await page.focus("#cursor-latency-0")
        latency = page.locator("#cursor-latency-0")
        for _ in range(3):  # a minute may have begun since
            if "ms" in (await latency.get_attribute("aria-valuetext") or ""):
                break
            await page.keyboard.press("ArrowLeft")
        await expect(latency).to_have_attribute("aria-valuetext", re.compile("24 ms or less for 95 %"))
        assert await faults_in_each_look(page) == []
        await page.click("text=By source")
        await expect(page.locator("figure.plot")).to_have_count(2)
        assert await faults_in_each_look(page) == []


async def value_of(row: Locator) -> str:
    """The time in the zone of the browser and the first rate of a row of the table below the plots."""
    time_text, rate = await row.locator("time").text_content(), await row.locator("td").first.text_content()
    return f"{time_text}: {rate}"


async def after_a_look(page: Page, place: Locator, text: str) -> bool:
    """Return whether an element shows the text after the page had time to refresh."""
    await page.clock.run_for(6000)
    return await place.inner_text() == text


async def test_a_paused_overview_stays_as_it_is(chromium: Browser, redis_server: RedisServer) -> None:
    async with serving(redis_server.url) as served, tab(chromium) as page:
        await page.clock.install()
        await page.goto(served.url)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "live=" in request.url else None)

        await page.click("text=Pause")
        await page.clock.run_for(60_000)
        assert asked == []
        await page.click("text=Resume")
        await expect(page.get_by_role("status")).to_have_text("Live")
        assert asked == [f"{served.url}/?live=1"]


async def test_while_redis_is_away_an_open_page_says_so_and_continues_afterwards(
    chromium: Browser, own_redis: RedisServer
) -> None:
    async with serving(own_redis.url) as served, tab(chromium) as page:
        await page.clock.install()
        await page.goto(served.url)
        status = page.get_by_role("status")
        own_redis.stop()
        await until(lambda: after_a_look(page, status, "Redis is unavailable"))
        own_redis.start()
        await until(lambda: after_a_look(page, status, "Live"))


async def test_a_login_that_has_ended_leads_an_open_page_to_the_login(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with serving(redis_server.url, users=USERS) as served, tab(chromium) as page:
        await page.clock.install()
        await log_in(page, served)
        await page.context.clear_cookies()

        await page.clock.run_for(6000)

        await page.wait_for_url(f"{served.url}/login?next=%2F")


async def test_without_javascript_the_overview_is_complete(chromium: Browser, redis_server: RedisServer) -> None:
    fill(redis_server)
    async with serving(redis_server.url) as served, tab(chromium, scripts=False) as page:
        await page.goto(f"{served.url}/?range=24h")

        await expect(page.get_by_role("button", name="Pause")).to_be_hidden()
        await expect(page.locator("figure svg path.line")).to_have_count(6)
        await page.click("text=Reload")
        assert page.url == f"{served.url}/?range=24h"
        await page.click("text=6 hours")
        await page.click("text=By channel")
        await expect(page.locator("[aria-current=true]")).to_have_text(["By channel", "6 hours"])


async def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with serving(redis_server.url) as served, tab(chromium) as page:
        await page.goto(served.url)
        await page.keyboard.press("Tab")
        skip = page.locator(".skip")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        outline = await skip.evaluate("link => getComputedStyle(link).outlineStyle")
        assert outline == "solid"
        await page.keyboard.press("Enter")
        await expect(page.locator("main")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Pause")).to_be_focused()


async def test_names_from_the_config_and_from_redis_are_shown_and_not_run(
    chromium: Browser, redis_server: RedisServer
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    configured = Configured(sources={evil: SourceSettings()}, channels=(*CONFIGURED.channels, evil))
    with redis_server.client() as redis:
        redis.sadd(KEYS.channels, "<script>alert(2)</script>")
        redis.hset(f"{KEYS.series}15:{time.time_ns() // 900_000_000_000 - 1}", f"channel:sent:{evil}", "3")
    async with serving(redis_server.url, configured=configured) as served, tab(chromium) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        await page.goto(served.url)

        await expect(page.locator(".line-name", has_text=evil)).to_have_count(2)
        await expect(page.locator("img")).to_have_count(0)
        await page.goto(f"{served.url}/?range=24h&by=channel")
        await expect(page.locator(".plots h3")).to_have_text(evil)
        await expect(page.locator("img")).to_have_count(0)


async def test_a_link_on_another_site_keeps_the_user_logged_in(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with serving(redis_server.url, users=USERS) as served, tab(chromium) as page:
        elsewhere = served.url.replace("127.0.0.1", "localhost")
        link = f'<a href="{served.url}/?range=6h">Look</a>'
        await page.route(f"{elsewhere}/chat", lambda route: route.fulfill(content_type="text/html", body=link))
        await page.goto(f"{elsewhere}/chat")
        await page.click("text=Look")
        await page.wait_for_url(f"{served.url}/login?next=%2F%3Frange%3D6h")

        await log_in(page, served)
        await page.goto(f"{elsewhere}/chat")
        await page.click("text=Look")

        await page.wait_for_url(f"{served.url}/?range=6h")
        await expect(page.locator(".who-name")).to_have_text("ann")


async def test_a_page_of_another_site_can_change_and_read_nothing(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with serving(redis_server.url, users=USERS) as served, tab(chromium) as page:
        await log_in(page, served)
        elsewhere = served.url.replace("127.0.0.1", "localhost")  # another site, to a browser
        await page.route(
            f"{elsewhere}/evil",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f'<form method="post" action="{served.url}/logout"><button>Win</button></form>',
            ),
        )
        await page.goto(f"{elsewhere}/evil")
        await page.click("text=Win")

        await page.wait_for_url(f"{served.url}/logout")
        assert len(served.site.auth.sessions) == 1
        await page.goto(served.url)
        await expect(page.locator(".who-name")).to_have_text("ann")
