"""Dead letters in a real Chromium: what an operator does after a day with many failures."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import structs
from playwright.async_api import Browser, Page, expect

from broker.dead_letters import StoredDeadLetter, stored_actions
from broker.redis.client import Client
from broker.redis.connection import Settings as RedisSettings
from broker.redis.connection import connect
from broker.redis.partitions import Partitions
from inspector.http.app_context import Configured
from inspector.operations import bulk_actions, search, single_letter
from inspector.operations.filters import Filter
from inspector.operations.groups import group_changes
from tests.inspector.operations.waiting_notifications import add_retries
from tests.inspector.stack import (
    Receiver,
    accept,
    all_letters,
    crm,
    running_receiver,
    running_worker,
    sample,
    wait_until_idle,
)
from tests.inspector.web.browsing import faults_in_each_look, log_in, tab
from tests.inspector.web.dead_letter_fixtures import (
    CONFIGURED,
    RULES,
    add_dead_letters,
    broken,
    cut_off,
    example_letters,
    refused,
)
from tests.inspector.web.serving import USERS, serving
from tests.redis_server import RedisServer
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def letters_in_redis(
    server: RedisServer, stored_letters: Sequence[StoredDeadLetter]
) -> AsyncIterator[tuple[Client, list[StoredDeadLetter]]]:
    redis = connect(RedisSettings(url=server.url))
    try:
        yield redis, await add_dead_letters(redis, stored_letters) if stored_letters else []
    finally:
        await redis.aclose(close_connection_pool=True)


async def test_each_page_is_accessible(chromium: Browser, redis_server: RedisServer) -> None:
    long = structs.replace(refused(99).letter, error="a" * 150, event="e" * 90, rule="r" * 90, channel="c" * 90)
    stored_letters = [*(refused(n) for n in range(6)), broken(7), cut_off(8), StoredDeadLetter(long, b"{}")]
    async with (
        letters_in_redis(redis_server, stored_letters) as (redis, found),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await single_letter.add_note(Partitions([redis]), found[0].letter.id, "n" * 300, by="ann")
        dry = await bulk_actions.begin(
            Partitions([redis]),
            "dry_run",
            await bulk_actions.select(Partitions([redis]), Filter()),
            by="ann",
            owner="x",
        )
        async for _ in bulk_actions.run(Partitions([redis]), dry, owner="x", dry_run=CONFIGURED.dry_run):
            pass
        letters = {stored_letter.letter.reason: f"/dead/{stored_letter.letter.id}" for stored_letter in found}
        kinds = {stored_letter.letter.error: f"/dead/{stored_letter.letter.id}" for stored_letter in found}
        addresses = [
            "/dead",
            "/dead?stage=nothing&fingerprint=x&min_attempts=1",
            *letters.values(),
            *kinds.values(),
        ]
        partitions, group = Partitions([redis]), found[0].letter.fingerprint
        await group_changes.mute(partitions, group, by="ann")
        await group_changes.assign(partitions, group, "t" * 100, by="ann")
        await group_changes.note(partitions, group, "n" * 300, by="ann")
        await group_changes.resolve(partitions, found[1].letter.fingerprint, by="ann")
        groups = {f"/groups/{stored_letter.letter.fingerprint}" for stored_letter in found}
        addresses += [
            "/groups",
            *sorted(groups),
            "/groups?event=x&state=muted",
            "/actions",
            f"/actions/{dry}",
            "/audit",
            "/channels",
        ]
        for address in dict.fromkeys(addresses):
            await page.goto(served.url + address)
            assert await faults_in_each_look(page) == [], address

        await page.goto(served.url + letters["undecodable"])
        await page.click("text=Reveal personal data")
        await page.click("text=Edit and replay a copy")
        assert await faults_in_each_look(page) == []
        for verb in ("Dry run", "Replay", "Note", "Discard"):
            await page.goto(f"{served.url}/dead")
            await page.check("input[value=all]")
            await page.click(f".bulk >> text={verb}")
            assert await faults_in_each_look(page) == [], verb

        await add_retries(Partitions([redis]), 3, 2, rule="r" * 90)
        for verb, heading in (("Cancel", "Cancel 2 notifications?"), ("Send now", "2 of 2 notifications due now")):
            await page.goto(f"{served.url}/waiting")
            assert await faults_in_each_look(page) == []
            await expect(page.get_by_role("button", name=verb)).to_be_disabled()
            await page.locator(".letters input").nth(0).check()
            await page.locator(".letters input").nth(3).check()
            await page.click(f".bulk >> text={verb}")
            await expect(page.get_by_role("heading")).to_have_text(heading)
            assert await faults_in_each_look(page) == [], verb


async def test_what_a_filter_shows_is_downloaded(
    chromium: Browser, redis_server: RedisServer, tmp_path: Path
) -> None:
    async with (
        letters_in_redis(redis_server, example_letters()),
        serving(redis_server.url, users=USERS, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await log_in(page, served)
        await page.goto(f"{served.url}/dead")
        await page.select_option("#by-channel", "mail")
        await page.get_by_role("button", name="Filter", exact=True).click()
        links = page.locator(".letters > li a")
        await expect(links).to_have_count(16)
        shown = [await link.get_attribute("href") for link in await links.all()]
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Export 16 letters as JSON lines").click()
        download = await downloading.value
        await download.save_as(tmp_path / "letters.jsonl")

    assert download.suggested_filename == "dead-letters.jsonl"
    head, *lines = map(json.loads, (tmp_path / "letters.jsonl").read_text().splitlines())
    assert head["header"]["of"] == "channel=mail"
    assert ["/dead/" + line["letter"]["id"] for line in lines] == shown
    bodies = [json.loads(base64.b64decode(line["body"])) for line in lines]
    emails = {f"member{number}@example.com" for number in range(41, 57)}
    assert {body["data"]["customer"]["email"] for body in bodies} == emails


async def died_at_crm(server: RedisServer, redis: Client, other_side: Receiver, count: int) -> None:
    """Letters that a real worker gave up on."""
    other_side.status = 400
    await accept(redis, *(sample(number) for number in range(count)))
    async with running_worker(server, rules=RULES[:1], channels=crm(other_side.url)):
        await wait_until_idle(redis)


async def test_a_group_is_found_dry_run_replayed_and_emptied(chromium: Browser, redis_server: RedisServer) -> None:
    async with (
        running_receiver() as other_side,
        letters_in_redis(redis_server, []) as (redis, _),
        serving(redis_server.url, users=USERS, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await died_at_crm(redis_server, redis, other_side, 30)
        await add_dead_letters(redis, [broken(77)])
        await log_in(page, served)
        await page.click("nav >> text=Groups")
        group = page.locator(".group", has_text="30 letters")

        await group.get_by_role("button", name="Dry run").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Dry run: 30 letters?")
        await page.click("text=Start the dry run")
        await expect(page.get_by_text("30 would pass")).to_be_visible()

        other_side.status = 200
        async with running_worker(redis_server, rules=RULES[:1], channels=crm(other_side.url)):
            await page.click("text=Replay these")
            await page.click("text=Replay 30")
            await expect(page.locator(".state")).to_have_text("done")
            await expect(page.locator(".progress-card .big")).to_have_text("30 of 30 replayed")
            await wait_until_idle(redis)
        assert len({taken["header"] for taken in other_side.received[30:]}) == 30

        await page.goto(f"{served.url}/groups")
        await expect(page.locator(".group")).to_have_count(1)
        await page.click(".group >> text=Resolve, mute, assign")
        await page.select_option("#lasts", "a week")
        await page.get_by_role("button", name="Mute", exact=True).click()
        await page.fill("#to", "ann")
        await page.click("text=Assign >> nth=-1")
        await page.fill("#note", "The shop deploys a fix.")
        await page.click("text=Save note")
        await page.get_by_role("button", name="Resolve", exact=True).click()
        await expect(page.get_by_role("heading", name="State: resolved")).to_be_visible()
        for words in ("muted until", "assigned to ann", "The shop deploys a fix."):
            await expect(page.get_by_text(words).first).to_be_visible()
        await page.click("nav >> text=Groups")
        await page.select_option("#by-state", "open")
        await page.get_by_role("button", name="Filter", exact=True).click()
        await expect(page.get_by_text("No dead letters match.")).to_be_visible()
        await page.click("nav >> text=Audit")
        for what in ("resolve", "annotate", "assign", "mute"):
            await expect(page.locator(".audit-entries li", has_text=f"ann {what} group")).to_have_count(1)
        await page.select_option("#by-what", "replay")
        await page.get_by_role("button", name="Filter", exact=True).click()
        await expect(page.locator(".audit-entries li").first).to_contain_text("ann replay")


async def test_letters_are_filtered_opened_and_some_discarded(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with (
        letters_in_redis(redis_server, example_letters()) as (redis, _),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await page.goto(f"{served.url}/dead")
        await page.select_option("#by-channel", "mail")
        await page.get_by_role("button", name="Filter", exact=True).click()
        await expect(page.locator(".letters > li")).to_have_count(16)
        first = page.locator(".letters > li a").first
        await first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("550 5.1.1 mailbox unavailable")
        await page.go_back()

        await page.click("text=Select page")
        await expect(page.locator("[data-selected-count]")).to_have_text(" (16)")
        await page.click("text=Deselect page")
        await page.check("input[value=all]")
        for at in (0, 1, 2):
            await page.locator(".letters input").nth(at).check()
        await expect(page.locator("input[value=ids]")).to_be_checked()
        await page.click(".bulk >> text=Discard")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Discard: 3 letters?")
        await page.click("text=Discard 3")
        assert "/dead/preview" in page.url, "it waits for the box"
        await page.check("text=Yes, delete these 3 letters")
        await page.click("text=Discard 3")

        await expect(page.locator(".progress-card .big")).to_have_text("3 of 3 discarded")
        assert len(await all_letters(redis)) == 67


async def test_a_running_action_is_watched_and_stopped(chromium: Browser, redis_server: RedisServer) -> None:
    async with (
        letters_in_redis(redis_server, [refused(number) for number in range(20)]) as (redis, _),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await page.goto(f"{served.url}/dead")
        await page.check("input[value=all]")
        await page.click(".bulk >> text=Note")
        await page.fill("#note", "seen")
        await page.fill("#rate", "4")
        await page.click("text=Note 20")

        progress = page.locator("progress")
        await until(lambda: _value(page, at_least=4))  # it grows by itself
        await page.click("#stop")
        await expect(page.locator(".state")).to_have_text("stopped")
        assert await progress.get_attribute("max") == "20"
        await expect(page.get_by_role("button", name="Resume")).to_be_visible()
        [action] = await stored_actions.recent(redis)
        assert action.state == "stopped"


async def test_the_page_of_a_finished_action_stops_polling(chromium: Browser, redis_server: RedisServer) -> None:
    async with (
        letters_in_redis(redis_server, [refused(number) for number in range(8)]),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await page.clock.install()
        await page.goto(f"{served.url}/dead")
        await page.check("input[value=all]")
        await page.click(".bulk >> text=Note")
        await page.fill("#note", "seen")
        await page.fill("#rate", "4")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.click("text=Note 8")
        await expect(page.locator(".state")).to_have_text("done")
        await expect(page.locator("[data-live-note]")).to_be_empty()
        assert [url for url in asked if "live=1" in url], "it was looked at while it ran"

        asked.clear()
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.clock.run_for(60_000)
        assert asked == []


async def _value(page: Page, *, at_least: int) -> bool:
    return int(await page.locator("progress").evaluate("bar => bar.value")) >= at_least


async def test_a_letter_is_found_opened_and_annotated_by_keyboard_alone(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with (
        letters_in_redis(redis_server, [refused(3), broken(4)]) as (redis, found),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await page.goto(f"{served.url}/dead")
        await tab_to(page, "#search")
        await page.keyboard.type("member3@example.com")
        await page.keyboard.press("Enter")
        await expect(page.locator(".letters > li")).to_have_count(1)
        await tab_to(page, ".letters a")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/dead/*")
        await tab_to(page, "#note")
        await page.keyboard.type("by hand")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator(".notes")).to_contain_text("by hand")
        crm_letter = next(stored_letter for stored_letter in found if stored_letter.letter.channel)
        stored_letter = await search.get(Partitions([redis]), crm_letter.letter.id)
        assert stored_letter
        assert [note.text for note in stored_letter.notes] == ["by hand"]


async def test_shortcuts_move_through_a_list_and_are_explained_and_turned_off(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with (
        letters_in_redis(redis_server, [refused(3), broken(4)]),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await page.goto(f"{served.url}/dead")
        links = page.locator(".letters > li a")
        for keys, at in (("j", 0), ("j", 1), ("j", 1), ("k", 0)):
            await page.keyboard.press(keys)
            await expect(links.nth(at)).to_be_focused()
        await page.keyboard.press("/")
        await page.keyboard.type("j?")
        await expect(page.locator("#search")).to_have_value("j?")
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        assert await faults_in_each_look(page) == []
        await dialog.get_by_label("Use shortcuts").uncheck()
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await page.reload()
        await page.keyboard.press("?")
        await page.keyboard.press("j")
        await expect(dialog).to_be_hidden()
        await expect(links.nth(0)).not_to_be_focused()


async def test_actions_need_a_selection(chromium: Browser, redis_server: RedisServer) -> None:
    async with (
        letters_in_redis(redis_server, [refused(3), broken(4)]),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium) as page,
    ):
        await page.goto(f"{served.url}/dead")
        replay = page.locator(".bulk").get_by_role("button", name="Replay")
        await expect(replay).to_be_disabled()
        await page.locator(".letters input").first.check()
        await expect(replay).to_be_enabled()
        await page.locator(".letters input").first.uncheck()
        await expect(replay).to_be_disabled()
        await page.check("input[value=all]")
        await expect(replay).to_be_enabled()


async def tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"the keyboard does not reach {selector}")


async def test_without_javascript_pages_are_complete_and_actions_work(
    chromium: Browser, redis_server: RedisServer
) -> None:
    async with (
        letters_in_redis(redis_server, [refused(3), broken(4)]) as (redis, _),
        serving(redis_server.url, configured=CONFIGURED) as served,
        tab(chromium, scripts=False) as page,
    ):
        await page.goto(f"{served.url}/dead?stage=intake")
        await expect(page.get_by_text("Select page")).to_be_hidden()
        await page.locator(".letters input").check()
        await page.click(".bulk >> text=Discard")
        await page.check("input[name=sure]")
        await page.click("text=Discard 1")
        await until(lambda: _left(redis, 1))
        await page.click("text=Reload")
        await expect(page.locator(".state")).to_have_text("done")


async def _left(redis: Client, count: int) -> bool:
    return len(await all_letters(redis)) == count


async def test_scripts_in_payloads_are_shown_and_never_run(chromium: Browser, redis_server: RedisServer) -> None:
    evil = "</pre></textarea><script>alert(1)</script><img src=x onerror=alert(2)>"
    letter = structs.replace(refused(1).letter, error=evil, event=evil, rule=evil)
    async with (
        letters_in_redis(redis_server, [StoredDeadLetter(letter, json.dumps({"type": evil}).encode())]),
        serving(redis_server.url, configured=Configured()) as served,
        tab(chromium) as page,
    ):
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        await page.goto(f"{served.url}/dead")
        await page.click(".letters a")
        await page.click("text=Reveal personal data")
        await page.click("text=Edit and replay a copy")
        assert evil in await page.locator("#edited").input_value()
        await expect(page.get_by_role("heading", level=1)).to_have_text(evil)
        await expect(page.locator("img")).to_have_count(0)
