"""The pages of dead letters over HTTP: search, details and actions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest

from broker.dead_letters import StoredDeadLetter, stored_actions, with_about
from broker.dead_letters.action import Action
from broker.monitoring import audit
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions, single_letter
from inspector.operations.filters import Filter
from inspector.web.dead_letters import PAGE_SIZE
from inspector.web.selection import MAX_TICKED
from runtime.dry_run import DryRunResult
from tests.inspector.stack import add_stored, all_letters, make_unreadable
from tests.inspector.web.dead_letter_fixtures import (
    CONFIGURED,
    add_dead_letters,
    broken,
    cut_off,
    letters_in,
    refused,
)
from tests.inspector.web.serving import Browser, Reply, serving
from tests.redis_server import RedisServer
from tests.until import until


@pytest.fixture
async def local(redis_server: RedisServer) -> AsyncIterator[Browser]:
    """A client on this machine, which needs no login."""
    async with serving(redis_server.url, configured=CONFIGURED) as served, served.browser() as browser:
        yield browser


def shown_ids(page: Reply) -> list[str]:
    return re.findall(r'href="/dead/(\w{17})"', page.text)


def fields_of(page: Reply, action: str) -> list[tuple[str, str]]:
    """Return the hidden fields of the first form with this target."""
    form = page.text[page.text.index(f'action="{action}"') :]
    hidden_fields = re.findall(
        r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form[: form.index("</form>")]
    )
    return [(name, unescape(value)) for name, value in hidden_fields]


async def act(browser: Browser, verb: str, fields: list[tuple[str, str]], **typed: str) -> Reply:
    """Submit the preview and then the action, as a user does."""
    csrf = (await browser.get("/dead")).csrf
    preview = await browser.post("/dead/preview", [("csrf", csrf), ("verb", verb), *fields])  # type: ignore[arg-type]
    assert preview.status == 200, preview.text
    return await browser.post("/dead/begin", [*fields_of(preview, "/dead/begin"), *typed.items()])  # type: ignore[arg-type]


async def ended(redis: Client, reply: Reply) -> Action:
    assert reply.status == 303, reply.text
    name = reply.headers["Location"].removeprefix("/actions/")

    async def done() -> Action | None:
        stored_action = await stored_actions.read(redis, name)
        return stored_action if stored_action and stored_action.state == "done" else None

    return await until(done)


async def test_filters_in_the_url_select_the_letters_shown(redis: Client, local: Browser) -> None:
    stored_letters = await add_dead_letters(redis, [refused(1), refused(2, attempts=1, channel="mail"), broken(3)])
    by_channel = {stored_letter.letter.channel: stored_letter.letter.id for stored_letter in stored_letters}

    for query, channel in (
        ("channel=mail", "mail"),
        ("reason=exhausted", "crm"),
        ("stage=intake", ""),
        ("min_attempts=2", "crm"),
        ("min_attempts=1&max_attempts=4", "mail"),
        ("search=MEMBER3@example.com", ""),
    ):
        page = await local.get(f"/dead?{query}")
        assert shown_ids(page) == [by_channel[channel]], query
        assert "<b>1</b> dead letter " in page.text


async def test_pages_link_to_older_pages_and_back(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [refused(number) for number in range(2 * PAGE_SIZE + 3)])
    expected = [letter.id for letter in await all_letters(redis)]
    address, pages = "/dead?channel=crm", []
    while address:
        page = await local.get(address)
        pages.append(shown_ids(page))
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = unescape(older[1]) if older else ""
    assert [name for ids in pages for name in ids] == expected

    for before in (1, 0):
        newer = re.search(r'rel="prev" href="([^"]+)"', page.text)
        assert newer
        page = await local.get(unescape(newer[1]))
        assert shown_ids(page) == pages[before]
    assert 'rel="prev"' not in page.text


async def test_a_letter_is_shown_masked_with_what_a_replay_would_do(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(7, channel="mail")])

    page = await local.get(f"/dead/{stored_letter.letter.id}")

    name = json.loads(stored_letter.body)["data"]["customer"]["name"]
    assert name not in page.text
    assert "@example.com" not in page.text
    assert "It would pass" in page.text
    assert "Your points, ***" in page.text
    for link in ("rule=points-mail", "channel=mail"):
        assert f'href="/dead?{link}"' in page.text
    assert f'href="/groups/{stored_letter.letter.fingerprint}"' in page.text


async def test_the_place_of_an_error_is_marked_in_the_body(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [broken(7)])

    page = await local.get(f"/dead/{stored_letter.letter.id}")

    marked = re.findall(r"<mark[^>]*>(.*)</mark>", page.text)
    assert len(marked) == 2, "in front, and in the body"
    assert all('"points": "twelve"' in unescape(line) for line in marked)
    assert "It would fail again" in page.text


async def test_a_reveal_shows_all_once_and_is_audited(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(7, channel="mail")])
    path = f"/dead/{stored_letter.letter.id}"
    csrf = (await local.get(path)).csrf

    page = await local.post(f"{path}/reveal", {"csrf": csrf})

    name = json.loads(stored_letter.body)["data"]["customer"]["name"]
    assert f"Your points, {name}" in unescape(page.text)
    assert page.headers["Cache-Control"] == "no-store"
    assert name not in (await local.get(path)).text
    log = await local.get("/audit")
    assert "reveal" in log.text
    assert f'href="{path}"' in log.text


async def test_a_download_has_the_exact_bytes_and_is_audited(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [cut_off(7)])
    path = f"/dead/{stored_letter.letter.id}"
    csrf = (await local.get(path)).csrf

    raw = await local.post(f"{path}/raw", {"csrf": csrf})

    assert raw.text.encode() == stored_letter.body
    assert raw.headers["Content-Type"] == "application/octet-stream"
    assert raw.headers["Content-Disposition"] == f'attachment; filename="{stored_letter.letter.id}.json"'
    assert [row.audit_entry.what for row in await audit.read(redis)] == ["reveal"]


async def test_a_body_that_is_not_json_is_hidden_until_revealed(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [cut_off(7)])
    path = f"/dead/{stored_letter.letter.id}"

    page = await local.get(path)
    assert "cannot be masked. Reveal personal data" in page.text
    assert "member7" not in page.text
    assert "member7" in (await local.post(f"{path}/reveal", {"csrf": page.csrf})).text


async def test_a_note_is_added_to_a_letter(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(7)])
    path = f"/dead/{stored_letter.letter.id}"
    csrf = (await local.get(path)).csrf

    answer = await local.post(f"{path}/note", {"csrf": csrf, "note": " called them <b>\n"})

    assert (answer.status, answer.headers["Location"]) == (303, f"{path}#notes")
    assert "called them &lt;b&gt;" in (await local.get(path)).text
    assert (await local.post(f"{path}/note", {"csrf": csrf, "note": " "})).status == 422
    assert (await local.post(f"{path}/note", {"csrf": csrf, "note": "x" * 2001})).status == 422


async def test_a_copy_is_edited_and_replayed_and_the_letter_stays(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [broken(7)])
    path = f"/dead/{stored_letter.letter.id}"
    page = await local.get(path)
    assert "<textarea" not in page.text[: page.text.index("Notes")]
    page = await local.post(f"{path}/reveal", {"csrf": page.csrf})
    offered = unescape(re.findall(r'<textarea id="edited"[^>]*>\n(.*?)</textarea>', page.text, re.DOTALL)[0])
    assert json.loads(offered) == json.loads(stored_letter.body)

    wrong = await local.post(f"{path}/edit", {"csrf": page.csrf, "body": offered + "}<"})
    assert wrong.status == 422
    assert "the edited body is not JSON" in wrong.text
    assert "}&lt;</textarea>" in wrong.text

    answer = await local.post(f"{path}/edit", {"csrf": page.csrf, "body": offered.replace('"twelve"', "12")})
    assert answer.status == 303
    assert [letter.id for letter in await all_letters(redis)] == [stored_letter.letter.id]
    assert "replayed an edited copy" in (await local.get(path)).text


@pytest.mark.parametrize(("size", "is_offered"), [(50_000, True), (66_000, False)])
async def test_editing_is_offered_only_for_bodies_that_a_form_can_carry(
    redis: Client, local: Browser, size: int, is_offered: bool
) -> None:
    body = json.dumps({"type": "x" * size}).encode()
    [stored_letter] = await add_dead_letters(redis, [StoredDeadLetter(broken(7).letter, body)])
    path = f"/dead/{stored_letter.letter.id}"
    page = await local.post(f"{path}/reveal", {"csrf": (await local.get(path)).csrf})

    assert ("Edit and replay a copy" in page.text) is is_offered
    assert ("too large to edit here" in page.text) is not is_offered
    answer = await local.post(f"{path}/edit", {"csrf": page.csrf, "body": body.decode()})
    assert answer.status == (303 if is_offered else 413)


async def test_ticked_letters_are_discarded_and_no_others(redis: Client, local: Browser) -> None:
    stored_letters = await add_dead_letters(redis, [refused(number) for number in range(5)])
    chosen = [("scope", "ids"), ("id", stored_letters[1].letter.id), ("id", stored_letters[3].letter.id)]

    action = await ended(redis, await act(local, "discard", chosen, sure="yes"))

    assert (action.done, action.request.by) == (2, "local")
    left = {letter.id for letter in await all_letters(redis)}
    assert left == {stored_letters[at].letter.id for at in (0, 2, 4)}


async def test_an_action_on_all_includes_letters_beyond_the_page(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [*(refused(number) for number in range(PAGE_SIZE + 9)), broken(100)])
    page = await local.get("/dead?channel=crm")
    assert fields_of(page, "/dead/preview")[1:] == [("channel", "crm"), ("back", "/dead?channel=crm")]

    action = await ended(redis, await act(local, "discard", [("scope", "all"), ("channel", "crm")], sure="yes"))

    assert action.done == PAGE_SIZE + 9
    assert [letter.channel for letter in await all_letters(redis)] == [""]


async def test_what_dies_after_the_preview_is_left_alone(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [refused(number) for number in range(3)])
    csrf = (await local.get("/dead")).csrf
    preview = await local.post("/dead/preview", {"csrf": csrf, "verb": "discard", "scope": "all"})
    late = refused(9)
    await add_stored(redis, [late])

    sure = [*fields_of(preview, "/dead/begin"), ("sure", "yes")]
    begun = await local.post("/dead/begin", sure)  # type: ignore[arg-type]

    assert (await ended(redis, begun)).done == 3
    assert [letter.id for letter in await all_letters(redis)] == [late.letter.id]


async def test_nothing_is_done_if_the_number_changed_since_the_preview(redis: Client, local: Browser) -> None:
    stored_letters = await add_dead_letters(redis, [refused(number) for number in range(3)])
    csrf = (await local.get("/dead")).csrf
    preview = await local.post("/dead/preview", {"csrf": csrf, "verb": "replay", "scope": "all"})
    await act(local, "discard", [("scope", "ids"), ("id", stored_letters[0].letter.id)], sure="yes")
    await until(lambda: _left(redis, 2))

    refusal = await local.post("/dead/begin", fields_of(preview, "/dead/begin"))  # type: ignore[arg-type]

    assert refusal.status == 409
    assert "The selection has changed since you saw it: now it is 2 letters." in refusal.text
    assert ("count", "2") in fields_of(refusal, "/dead/begin")
    assert await _left(redis, 2)


async def _left(redis: Client, count: int) -> bool:
    return len(await all_letters(redis)) == count


@pytest.mark.parametrize(
    ("verb", "typed", "expected"),
    [
        ("discard", {}, "Tick the box"),
        ("discard", {"sure": "no"}, "Tick the box"),
        ("annotate", {"note": "  "}, "Write the note"),
        ("annotate", {"note": "x" * 2001}, "at most 2,000 characters"),
        *(
            ("replay", {"rate": rate}, "The rate must be a number")
            for rate in ("fast", "-1", "nan", "inf", "0", "1e99")
        ),
    ],
)
async def test_missing_input_is_asked_for_and_nothing_is_done(
    redis: Client, redis_server: RedisServer, local: Browser, verb: str, typed: dict[str, str], expected: str
) -> None:
    await add_dead_letters(redis, [refused(1), refused(2)])

    answer = await act(local, verb, [("scope", "all")], **typed)

    assert answer.status == 422
    assert expected in answer.text
    assert await stored_actions.recent(redis) == []
    assert letters_in(redis_server) == 2


async def test_a_rate_and_a_note_reach_the_action(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [refused(1), refused(2)])

    action = await ended(redis, await act(local, "annotate", [("scope", "all")], note="seen", rate="1000.5"))

    assert (action.request.rate_per_s, action.request.note, action.done) == (1000.5, "seen", 2)


async def test_a_dry_run_shows_causes_and_offers_to_replay_the_same_letters(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [*(refused(number) for number in range(4)), broken(8), broken(9)])
    action = await ended(redis, await act(local, "dry_run", [("scope", "all")]))

    page = await local.get(f"/actions/{action.id}")

    assert "4 would pass" in page.text
    assert "2 would fail" in page.text
    assert f'href="/dead?fingerprint={broken(8).letter.fingerprint}"' in page.text
    again = fields_of(page, "/dead/preview")
    assert ("until_ms", str(action.request.until_ms)) in again
    preview = await local.post("/dead/preview", [*again, ("verb", "replay")])  # type: ignore[arg-type]
    assert "Replay: 6 letters?" in preview.text


async def test_the_search_of_another_user_is_not_shown(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [refused(3)])
    selected = await bulk_actions.select(Partitions([redis]), Filter(search="member3@example.com"))
    action = await bulk_actions.begin(Partitions([redis]), "dry_run", selected, by="ann", owner="absent")

    for path in ("/actions", f"/actions/{action}", "/audit"):
        text = (await local.get(path)).text
        assert "member3" not in text
        assert "***" in text


async def test_actions_are_stopped_and_resumed(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [refused(number) for number in range(4)])
    begun = await act(local, "discard", [("scope", "all")], sure="yes", rate="0.01")
    path = begun.headers["Location"]
    await until(lambda: _left(redis, 3))
    page = await local.get(path)
    assert 'data-live="' in page.text

    await local.post(f"{path}/stop", {"csrf": page.csrf})
    page = await local.get(path)
    assert "<b>stopped</b>" in page.text
    assert (await local.post(f"{path}/resume", {"csrf": page.csrf})).status == 303
    assert "<b>running</b>" in (await local.get(path)).text
    assert [row.audit_entry.what for row in await audit.read(redis)] == ["resume", "stop", "discard"]
    await local.post(f"{path}/stop", {"csrf": page.csrf})


async def test_rows_of_a_list_name_the_customer_and_the_rule(redis: Client, local: Browser) -> None:
    letters = [with_about(refused(number), f"cust_{number}") for number in range(2)]
    letters.append(with_about(refused(3), "ada@example.com"))
    await add_dead_letters(redis, letters)
    page = await local.get("/dead")
    for number in range(2):
        assert f"<code>cust_{number}</code>" in page.text
    assert "points-to-crm" in page.text and "ada@" not in page.text


async def test_groups_show_their_counts_and_times(redis: Client, local: Browser) -> None:
    await add_dead_letters(redis, [*(refused(number) for number in range(4)), broken(8)])

    page = await local.get("/groups")

    assert "<b>5</b> dead letters in <b>2</b> groups" in page.text
    assert page.text.count('class="sparkline"') == 2
    assert "in the last 24 hours" in page.text
    assert ("fingerprint", refused(1).letter.fingerprint) in [
        field for part in page.text.split("</form>") if "/dead/preview" in part for field in _fields(part)
    ]


def _fields(part: str) -> list[Any]:
    return re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', part)


async def test_the_audit_log_is_paged(redis: Client, local: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    for number in range(53):
        await single_letter.add_note(
            Partitions([redis]), stored_letter.letter.id, f"{number}", by=f"user-{number}"
        )

    first = await local.get("/audit")
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older
    second = await local.get(unescape(older[1]))

    users = re.findall(r"<b>user-(\d+)</b>", first.text + second.text)
    assert users == [str(number) for number in reversed(range(53))]


async def test_channels_are_paused_and_resumed_and_the_log_shows_it(redis: Client, local: Browser) -> None:
    csrf = (await local.get("/channels")).csrf

    await local.post("/channels/pause", {"csrf": csrf, "channel": "crm"})
    assert "/channels/resume" in (await local.get("/channels")).text
    await local.post("/channels/resume", {"csrf": csrf, "channel": "crm"})
    assert "/channels/resume" not in (await local.get("/channels")).text
    assert [row.audit_entry.what for row in await audit.read(redis)] == ["resume", "pause"]
    assert (await local.post("/channels/pause", {"csrf": csrf, "channel": "nosuch"})).status == 404


async def test_a_letter_that_cannot_be_read_has_its_page_and_stays_when_others_are_replayed(
    redis: Client, local: Browser
) -> None:
    lost, sound = [
        stored_letter.letter.id for stored_letter in await add_dead_letters(redis, [broken(1), broken(2)])
    ]
    await make_unreadable(redis, lost)

    assert set(shown_ids(await local.get("/dead"))) == {lost, sound}
    page = await local.get(f"/dead/{lost}")
    assert page.status == 200 and "cannot read it" in page.text
    assert 'value="discard"' in page.text and 'value="replay"' not in page.text
    assert 'id="body-title"' not in page.text

    action = await ended(redis, await act(local, "replay", [("scope", "all")]))
    shown = await local.get(f"/actions/{action.id}")
    assert "1 letter: this version of Hookline cannot read it" in unescape(shown.text)

    assert (await ended(redis, await act(local, "discard", [("id", lost)], sure="yes"))).done == 1
    assert await all_letters(redis) == []


@pytest.mark.parametrize("more", [0, 1])
async def test_more_letters_than_a_form_may_name_are_not_offered_to_be_replayed(
    redis: Client, local: Browser, more: int
) -> None:
    [stored_letter] = await add_dead_letters(redis, [broken(1)])
    gone = [f"{number:017}" for number in range(MAX_TICKED - 1 + more)]
    action = await bulk_actions.begin(
        Partitions([redis]), "dry_run", [stored_letter.letter.id, *gone], by="ann", owner="me"
    )
    async for _ in bulk_actions.run(
        Partitions([redis]), action, owner="me", dry_run=lambda _: DryRunResult(passes=True)
    ):
        pass

    page = await local.get(f"/actions/{action}")

    assert "1 would pass" in page.text
    assert ("Replay these" in page.text) == (not more)
    if not more:
        fields = fields_of(page, "/dead/preview")
        assert (await local.post("/dead/preview", [*fields, ("verb", "replay")])).status == 200  # type: ignore[arg-type]
