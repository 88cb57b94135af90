"""Times in a real Chromium: in the zone of the browser, in UTC on request, and without JavaScript."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, expect

from tests.inspector.web.browsing import tab
from tests.inspector.web.dead_letter_fixtures import CONFIGURED, broken
from tests.inspector.web.serving import serving
from tests.inspector.web.test_letters_browser import letters_in_redis
from tests.redis_server import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOCAL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d GMT\+5:45")
IN_UTC = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


async def test_times_are_local_with_their_zone_and_a_switch_to_utc_is_remembered(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with (
        letters_in_redis(redis_server, [broken(1)]),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium, zone="Asia/Kathmandu") as page,
    ):
        await page.goto(f"{served.url}/dead?since=2026-01-31T12:00:00")
        await expect(page.locator(".letters time")).to_have_text(LOCAL)
        await expect(page.locator("#by-since")).to_have_value("2026-01-31T17:45")
        await page.get_by_role("button", name="Filter", exact=True).click()
        await page.wait_for_url(re.compile("since=2026-01-31T12%3A00%3A00"))

        await page.get_by_role("button", name="Show UTC").click()
        await expect(page.locator("#by-since")).to_have_value("2026-01-31T12:00")
        await page.goto(f"{served.url}/groups")
        await expect(page.locator(".group time").first).to_have_text(IN_UTC)
        await page.get_by_role("button", name="Show local time").click()
        await expect(page.locator(".group time").first).to_have_text(LOCAL)


async def test_a_refresh_keeps_the_local_times(chromium: Browser, redis_server: RedisServer) -> None:
    async with serving(redis_server.url) as served, tab(chromium, zone="Asia/Kathmandu") as page:
        await page.clock.install()
        await page.goto(served.url)
        async with page.expect_response(re.compile("live=1$")):
            await page.clock.run_for(6000)
        await expect(page.locator(".seen time")).to_have_text(LOCAL)


async def test_without_javascript_times_are_in_utc(chromium: Browser, redis_server: RedisServer) -> None:
    async with (
        letters_in_redis(redis_server, [broken(1)]),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium, scripts=False, zone="Asia/Kathmandu") as page,
    ):
        await page.goto(f"{served.url}/dead")
        await expect(page.locator(".letters time")).to_have_text(IN_UTC)
        await expect(page.get_by_role("button", name="Show UTC")).to_be_hidden()
