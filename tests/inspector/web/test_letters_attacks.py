"""Attacks on the pages of dead letters, and what each role may do there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from broker import dead_letters
from broker.dead_letters import StoredDeadLetter, stored_actions
from broker.monitoring import audit
from broker.monitoring.audit import AuditEntry, record
from broker.queue.jobs import Attempt, Notification
from broker.redis.client import Client
from broker.redis.partitions import Partitions
from inspector.operations import bulk_actions
from inspector.operations.filters import MAX_CHARS, Filter
from inspector.settings import User
from sources.secret import Secret
from tests.inspector.stack import add_stored, all_letters
from tests.inspector.web.dead_letter_fixtures import CONFIGURED, add_dead_letters, letters_in, raw, refused
from tests.inspector.web.serving import USERS, Browser, Served, serving
from tests.redis_server import RedisServer

EVIL = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>"
    "{{7*7}}{% raw %}javascript:alert(4)"
)
PASSWORDS = {"dan": "password of dan", "eve": "password of eve", "fay": "password of fay"}
MORE_USERS = USERS | {
    "dan": User(password=Secret(PASSWORDS["dan"]), role="operate"),
    "eve": User(password=Secret(PASSWORDS["eve"]), reveal=True),
    "fay": User(password=Secret(PASSWORDS["fay"]), role="operate", reveal=True),
}
ABSENT_ID = "0" * 17
POSTS = {
    "/dead": {"ann", "bob", "dan", "eve"},
    "/events": {"ann", "bob", "dan", "eve"},
    "/audit": {"ann", "bob", "dan", "eve"},
    "/waiting": {"ann", "bob", "dan", "eve"},
    "/waiting/change": {"ann", "dan"},
    "/dead/preview": {"ann", "dan"},
    "/dead/begin": {"ann", "dan"},
    "/dead/export": {"ann", "eve"},
    "/dead/{id}/note": {"ann", "dan"},
    "/dead/{id}/reveal": {"ann", "eve"},
    "/dead/{id}/raw": {"ann", "eve"},
    "/dead/{id}/edit": {"ann"},
    "/actions/{id}/stop": {"ann", "dan"},
    "/actions/{id}/resume": {"ann", "dan"},
    "/groups/{fingerprint}": {"ann", "dan"},
    "/channels/pause": {"ann", "dan"},
    "/channels/resume": {"ann", "dan"},
    "/channels/probe": {"ann", "dan"},
}
"""The users that may make the request."""

GETS = (
    "/dead",
    "/dead/{id}",
    "/groups",
    "/groups/{fingerprint}",
    "/actions",
    "/actions/{id}",
    "/audit",
    "/channels",
    "/events",
    "/waiting",
)


@pytest.fixture
async def served(redis_server: RedisServer) -> AsyncIterator[Served]:
    async with serving(redis_server.url, users=MORE_USERS, configured=CONFIGURED) as site:
        yield site


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        yield browser


async def log_in(browser: Browser, name: str) -> str:
    """Return the CSRF token of the forms of this session."""
    await browser.log_in(name, {"ann": "correct horse battery", "bob": "bobs own password", **PASSWORDS}[name])
    return (await browser.get("/dead")).csrf


def address_of(path: str, stored_letter: StoredDeadLetter) -> str:
    letter = stored_letter.letter
    return path.replace("{id}", letter.id).replace("{fingerprint}", letter.fingerprint)


def hostile_letter() -> StoredDeadLetter:
    body = raw(json.dumps({"id": EVIL, "type": EVIL, "data": {EVIL: EVIL}}).encode())
    body = structs.replace(body, headers=f"x-evil: {EVIL}", source=EVIL, event_hint=EVIL)
    attempts = (Attempt(1, 1, EVIL, EVIL, EVIL),)
    notification = Notification("k" * 32, EVIL, EVIL, body, attempts=attempts)
    stored_letter = dead_letters.died_at_notify(notification, EVIL, reason=EVIL, error=EVIL, error_class=EVIL)
    return StoredDeadLetter(structs.replace(stored_letter.letter, path=f"$.{EVIL}"), stored_letter.body)


async def test_no_text_of_a_letter_or_url_becomes_markup(redis: Client, browser: Browser) -> None:
    stored_letter = hostile_letter()
    await add_stored(redis, [stored_letter])
    csrf = await log_in(browser, "ann")
    path = f"/dead/{stored_letter.letter.id}"
    form = {"csrf": csrf, "scope": "all", "search": "", "event": EVIL}
    await browser.post(f"{path}/note", {"csrf": csrf, "note": EVIL})
    await record(redis, AuditEntry(EVIL, EVIL, EVIL, {EVIL: EVIL}))
    selected = await bulk_actions.select(Partitions([redis]), Filter(event=EVIL))
    action = await bulk_actions.begin(Partitions([redis]), "annotate", selected, by=EVIL, owner="me", note=EVIL)
    group = f"/groups/{stored_letter.letter.fingerprint}"
    for verb, words in (("note", {"note": f"</textarea>{EVIL}"}), ("assign", {"to": EVIL[:100]}), (EVIL, {})):
        await browser.post(group, {"csrf": csrf, "verb": verb, **words})
    pages = [
        await browser.get(group),
        await browser.get("/groups", params={"assigned_to": EVIL[:100], "state": EVIL}),
        await browser.get("/dead", params={"event": EVIL}),
        await browser.get("/dead", params={"search": EVIL, "fingerprint": EVIL, "rule": EVIL, "channel": EVIL}),
        await browser.get("/groups", params={"event": EVIL}),
        await browser.get(path),
        await browser.post(f"{path}/reveal", {"csrf": csrf}),
        await browser.post(f"{path}/edit", {"csrf": csrf, "body": f"</textarea>{EVIL}"}),
        await browser.post("/dead/preview", form | {"verb": "annotate"}),
        await browser.post("/dead/begin", form | {"verb": "annotate", "note": EVIL, "rate": EVIL, "count": "1"}),
        await browser.get("/actions"),
        await browser.get(f"/actions/{action}"),
        await browser.get("/audit"),
        await browser.get("/channels"),
        await browser.get("/dead", params={"cursor": EVIL}),
        await browser.get("/dead", params={"since": EVIL}),
    ]

    for page in pages:
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "<svg/onload" not in page.text
        assert "{{7*7}}49" not in page.text
        assert 'href="javascript:' not in page.text
        assert page.text.count("</textarea>") == page.text.count("<textarea")
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert sum("&lt;script&gt;" in page.text for page in pages) >= 10


async def test_these_tests_cover_every_form(served: Served) -> None:
    routes = {
        route.resource.canonical for route in served.site._runner.app.router.routes() if route.method == "POST"
    }
    pages = {path for path in routes if not path.startswith("/api/")}

    assert pages == {*POSTS, "/login", "/logout"}


async def done_by_people(redis: Client) -> list[str]:
    """Return the audit entries without those of logins."""
    return [
        recorded.audit_entry.what for recorded in await audit.read(redis) if recorded.audit_entry.what != "login"
    ]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("name", ["ann", "bob", "dan", "eve"])
async def test_each_permission_gives_access_to_its_pages(
    redis: Client, browser: Browser, path: str, name: str
) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    csrf = await log_in(browser, name)

    answer = await browser.post(address_of(path, stored_letter), {"csrf": csrf, "note": "n", "body": "{}"})

    assert (answer.status != 403) is (name in POSTS[path]), answer.text
    if answer.status == 403:
        assert f"inspector.users.{name}" in answer.text
        assert await done_by_people(redis) == []


@pytest.mark.parametrize("path", [*POSTS, *GETS])
async def test_without_a_login_every_page_and_form_is_refused(redis: Client, browser: Browser, path: str) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    address = address_of(path, stored_letter)

    answer = await (browser.get(address) if path in GETS else browser.post(address, {"verb": "discard"}))

    assert answer.status == (303 if path in GETS else 401)
    assert "crm" not in answer.text


@pytest.mark.parametrize("path", POSTS)
async def test_each_form_needs_the_token_of_its_own_session(
    redis: Client, served: Served, browser: Browser, path: str
) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    await log_in(browser, "ann")
    async with served.browser() as other:
        others = await log_in(other, "fay")
    form = {"verb": "discard", "scope": "all", "count": "1", "sure": "yes", "note": "n", "channel": "crm"}
    address = address_of(path, stored_letter)

    for given in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": others}):
        assert (await browser.post(address, form | given)).status == 403
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await browser.post(address, form | {"csrf": others}, headers=foreign)).status == 403

    assert [letter.id for letter in await all_letters(redis)] == [stored_letter.letter.id]
    assert await done_by_people(redis) == []
    assert await stored_actions.recent(redis) == []


async def test_a_read_only_user_is_offered_no_actions(redis: Client, browser: Browser) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    await log_in(browser, "bob")

    for path in ("/dead", f"/dead/{stored_letter.letter.id}", "/groups", "/channels"):
        text = (await browser.get(path)).text
        harmless = text.count('action="/logout"') + text.count('action="/dead" role="search"')
        assert text.count('method="post"') == harmless, path
        assert 'class="tick"' not in text
        for offered in ("Discard", "Replay</button>", "Reveal", "Download", "Pause<"):
            assert offered not in text, path


@pytest.mark.parametrize(
    "name",
    [
        "x",
        "../actions",
        "%2e%2e%2factions",
        "..%2f..%2fetc%2fpasswd",
        "index",
        "dead:index",
        "notes:0",
        "%00",
        "%0d%0aSet-Cookie:%20a=b",
        "a" * 3000,
        "%F0%9F%92%80",
        "%ff%fe",
        ABSENT_ID,
    ],
)
async def test_an_invalid_id_finds_nothing(redis: Client, browser: Browser, name: str) -> None:
    await add_dead_letters(redis, [refused(1)])
    csrf = await log_in(browser, "ann")
    for path in (*(path for path in POSTS if "{id}" in path), "/dead/{id}", "/actions/{id}"):
        address = path.replace("{id}", name)
        form = {"csrf": csrf, "note": "n", "body": "{}"}
        answer = await (browser.post(address, form) if path in POSTS else browser.get(address))
        assert answer.status in {404, 405} or (answer.status, name) == (200, "../actions"), (path, answer.status)
        assert "a" not in answer.cookies
    assert await done_by_people(redis) == []


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=99999-01-01",
        "since=1969-01-01",
        "since=0001-01-01T00:00:00%2B14:00",
        "min_attempts=-1",
        "max_attempts=1e3",
        "max_attempts=99999999",
        "min_attempts=%D9%A3",
        "cursor=x",
        "cursor=1-%0d%0a",
        f"event={'x' * (MAX_CHARS + 1)}",
        f"search={'x' * (MAX_CHARS + 1)}",
    ],
)
async def test_an_invalid_filter_is_refused_with_a_reason(browser: Browser, query: str) -> None:
    await log_in(browser, "ann")

    answer = await browser.get(f"/dead?{query}")

    assert answer.status == 400
    assert "Traceback" not in answer.text


async def test_odd_filters_find_nothing_and_break_nothing(redis: Client, browser: Browser) -> None:
    await add_dead_letters(redis, [refused(1)])
    await log_in(browser, "ann")
    for query in (
        "event=*",
        "event=%00",
        "event=%ED%A0%80",
        "event=%0d%0aX-Evil:1",
        "source=dead:index",
        "fingerprint=*",
        "search=*",
        "search=%00%00",
        "since=253402300799999",
        "until=1",
        f"trail={'1-' * 2000}&search=x",
        "&".join(f"unknown{number}=1" for number in range(300)),
    ):
        answer = await browser.get(f"/dead?{query}")
        assert answer.status == 200, query
        assert "X-Evil" not in answer.headers
        assert "No dead letters match" in answer.text or query.startswith("unknown"), query


@pytest.mark.parametrize("before", ["x", "-", "+", "(1-1", "1-1%0d%0a", "9" * 40])
async def test_an_invalid_position_in_the_log_is_refused(browser: Browser, before: str) -> None:
    await log_in(browser, "ann")
    assert (await browser.get(f"/audit?before={before}")).status == 400


async def test_forms_that_no_page_made_do_nothing(
    redis: Client, redis_server: RedisServer, browser: Browser
) -> None:
    [stored_letter] = await add_dead_letters(redis, [refused(1)])
    csrf = await log_in(browser, "ann")
    good = {"csrf": csrf, "verb": "discard", "scope": "all", "count": "1", "sure": "yes"}
    for changed, status in (
        ({"verb": "flushall"}, 400),
        ({"verb": ""}, 400),
        ({"until_ms": "now"}, 400),
        ({"until_ms": "9" * 30}, 400),
        ({"until_ms": "1"}, 409),
        ({"count": "0"}, 409),
        ({"count": "-1"}, 409),
        ({"count": ""}, 409),
        ({"scope": "ids"}, 409),
        ({"scope": "ids", "id": "index"}, 409),
        ({"scope": "everything"}, 409),
        ({"event": "other"}, 409),
        ({"since": "x"}, 400),
    ):
        answer = await browser.post("/dead/begin", good | changed)
        assert answer.status == status, changed
    many = [*({"csrf": csrf, "verb": "discard", "scope": "ids"}.items()), *[("id", stored_letter.letter.id)] * 501]
    assert (await browser.post("/dead/preview", many)).status == 400  # type: ignore[arg-type]
    assert letters_in(redis_server) == 1
    assert await stored_actions.recent(redis) == []
