"""Filters, searches and the ways between pages, over HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry
from broker.redis.client import Client
from inspector.http.app_context import Configured
from inspector.web import audit as audit_page
from sources import KINDS
from tests.inspector.web.dead_letter_fixtures import (
    CHANNELS,
    CONFIGURED,
    POINTS,
    add_dead_letters,
    broken,
    refused,
)
from tests.inspector.web.serving import USERS, Browser, serving
from tests.inspector.web.test_letters import act, ended, fields_of, shown_ids
from tests.redis_server import RedisServer
from worker.preview.dry_run import DryRunner
from worker.rules.rules import Rule
from worker.worker_source import WorkerSource


@pytest.fixture
async def local(redis_server: RedisServer) -> AsyncIterator[Browser]:
    """A client on this machine, which needs no login."""
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        yield browser


async def test_a_search_is_in_no_address_and_only_its_user_can_open_it(
    redis: Client, redis_server: RedisServer
) -> None:
    stored_letters = await add_dead_letters(redis, [refused(1), refused(2), broken(3)])
    [wanted] = [stored.letter.id for stored in stored_letters if b"member2@" in stored.body]
    async with (
        serving(redis_server.url, users=USERS, configured=CONFIGURED) as served,
        served.browser() as ann,
        served.browser() as bob,
    ):
        await ann.log_in()
        await bob.log_in("bob", "bobs own password")
        form = {"csrf": (await ann.get("/dead")).csrf, "search": "member2@example.com", "channel": "crm"}

        found = await ann.post("/dead", form)
        address = found.headers["Location"]
        page = await ann.get(address)

        assert found.status == 303
        assert address.startswith("/dead?channel=crm&found=")
        assert shown_ids(page) == [wanted]
        assert not [link for link in re.findall(r'href="([^"]*)"', page.text) if "member2" in link]
        assert (await ann.post("/dead", form)).headers["Location"] == address
        expired = await bob.get(address)
        assert (expired.status, "This search has expired" in expired.text) == (410, True)
        assert 'href="/dead?channel=crm">Back to Dead letters' in expired.text


async def test_an_action_without_a_selection_leads_back_to_the_list_with_a_message(
    redis: Client, local: Browser
) -> None:
    await add_dead_letters(redis, [refused(1)])
    page = await local.get("/dead?channel=crm")

    answer = await local.post(
        "/dead/preview",
        [("verb", "replay"), ("scope", "ids"), *fields_of(page, "/dead/preview")],  # type: ignore[arg-type]
    )

    assert (answer.status, answer.headers["Location"]) == (303, "/dead?channel=crm&nothing=1")
    assert "No letter is selected." in (await local.get(answer.headers["Location"])).text


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"])
async def test_a_form_leads_back_to_no_other_site(local: Browser, back: str) -> None:
    csrf = (await local.get("/dead")).csrf

    answer = await local.post("/dead/preview", {"csrf": csrf, "verb": "replay", "scope": "ids", "back": back})

    assert answer.headers["Location"] == "/?nothing=1"


async def test_a_dry_run_that_nothing_passed_offers_no_replay(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [broken(1)])
    action = await ended(redis, await act(local, "dry_run", [("scope", "all")]))

    page = await local.get(f"/actions/{action.id}")

    assert "0 would pass" in page.text
    assert "Repeat the dry run" in page.text
    assert 'value="replay"' not in page.text


async def test_attempts_stand_above_the_body(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])

    text = (await local.get(f"/dead/{stored_letter.letter.id}")).text

    assert text.index('id="attempts-title"') < text.index('id="now-title"') < text.index('id="body-title"')


async def test_a_rule_without_a_text_is_not_said_to_hide_one(redis: Client, redis_server: RedisServer) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    rule = Rule(name="points-to-crm", events=(POINTS,), channel="crm")
    runner = DryRunner({"voucherify": WorkerSource(KINDS["voucherify"], 7)}, (rule,), CHANNELS)
    configured = Configured(channels=("crm",), dry_run=runner.of)
    async with serving(redis_server.url, configured=configured) as served, served.browser() as browser:
        text = (await browser.get(f"/dead/{stored_letter.letter.id}")).text

    assert "The rule sets no text." in text
    assert "cannot be masked" not in text


async def test_groups_are_filtered_and_an_action_is_for_the_letters_that_were_counted(
    redis: Client, local: Browser
) -> None:
    await add_dead_letters(redis, [refused(1), refused(2), refused(3, channel="mail")])

    page = await local.get("/groups?channel=mail&since=2026-01-31T12:00:00Z")

    assert "<b>1</b> dead letter in <b>1</b> group" in page.text
    assert (
        dict(fields_of(page, "/dead/preview")).items()
        >= {
            "channel": "mail",
            "since": "2026-01-31T12:00:00",
            "scope": "all",
        }.items()
    )


async def test_the_audit_log_is_filtered_by_who_what_and_since(redis: Client, local: Browser) -> None:
    for number in range(audit_page.PAGE_SIZE + 10):
        await audit.record(redis, AuditEntry("ann", "pause", f"channel{number}"))
        await audit.record(redis, AuditEntry("bob", "login"))

    page = await local.get("/audit?by=Ann&what=pause")
    older = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert older
    last = await local.get(unescape(older[1]))

    shown = [re.findall("channel[0-9]+", each.text) for each in (page, last)]
    assert [len(names) for names in shown] == [audit_page.PAGE_SIZE, 10]
    assert len({*shown[0], *shown[1]}) == audit_page.PAGE_SIZE + 10
    assert 'rel="next"' not in last.text
    assert "No audit entries match." in (await local.get("/audit?by=ann&what=login")).text
    assert "No audit entries match." in (await local.get("/audit?since=2999-01-01")).text
