"""Logins, sessions, and the throttle for wrong passwords."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from inspector.http import login_throttle, sessions
from inspector.http.login_throttle import LoginThrottle, address_key
from inspector.http.sessions import Sessions
from inspector.settings import Settings
from tests.inspector.web.serving import PASSWORD, USERS, Browser, Served, serving
from tests.redis_server import RedisServer

SESSION = "hookline_session"


@pytest.fixture
async def served(redis_server: RedisServer) -> AsyncIterator[Served]:
    async with serving(redis_server.url, users=USERS) as site:
        yield site


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        yield browser


async def test_without_configured_users_every_client_may_do_everything(redis_server: RedisServer) -> None:
    async with serving(redis_server.url) as served, served.browser() as browser:
        page = await browser.get("/")

        assert page.status == 200
        assert '<span class="who-name">local</span>' in page.text
        assert "Log out" not in page.text
        assert (await browser.get("/login?next=//evil.example")).headers["Location"] == "/"


async def test_with_users_every_page_asks_for_a_login_and_leads_back(browser: Browser) -> None:
    turned_away = await browser.get("/?range=6h")
    assert (turned_away.status, turned_away.headers["Location"]) == (303, "/login?next=%2F%3Frange%3D6h")

    form = await browser.get(turned_away.headers["Location"])
    assert 'name="next" value="/?range=6h"' in form.text
    logged_in = await browser.log_in(next="/?range=6h")

    assert (logged_in.status, logged_in.headers["Location"]) == (303, "/?range=6h")
    assert '<span class="who-name">ann</span>' in (await browser.get("/?range=6h")).text


async def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: Browser,
) -> None:
    cookie = (await browser.log_in()).cookies[SESSION]

    assert cookie["httponly"] and cookie["samesite"] == "Strict"
    assert (cookie["path"], cookie["domain"], cookie["max-age"], cookie["secure"]) == ("/", "", "", "")
    assert len(cookie.value) == 43  # 256 bits


async def test_with_https_the_cookie_is_secure_and_bound_to_the_host(served: Served, browser: Browser) -> None:
    form = await browser.get("/login")
    fields = {"csrf": form.csrf, "name": "ann", "password": PASSWORD}
    https = {"Origin": served.url.replace("http:", "https:")}

    answer = await browser.post("/login", fields, headers=https)

    cookie = answer.cookies[f"__Host-{SESSION}"]
    assert cookie["secure"] and cookie["httponly"] and cookie["path"] == "/" and not cookie["domain"]
    asked = await browser.get("/", headers={"Cookie": f"__Host-{SESSION}={cookie.value}; {SESSION}=planted"})
    assert asked.status == 200


async def test_a_session_id_from_before_the_login_is_invalid_after_it(browser: Browser) -> None:
    planted = "A" * 43
    browser.session.cookie_jar.update_cookies({SESSION: planted})

    cookie = (await browser.log_in()).cookies[SESSION]

    assert cookie.value != planted
    async with browser.served.browser() as attacker:
        answer = await attacker.get("/", headers={"Cookie": f"{SESSION}={planted}"})
        assert answer.status == 303


async def test_a_login_ends_the_session_before_it_and_a_logout_the_last(served: Served, browser: Browser) -> None:
    first = (await browser.log_in()).cookies[SESSION].value
    browser.session.cookie_jar.clear()
    async with served.browser() as again:
        again.session.cookie_jar.update_cookies({SESSION: first})
        page = await again.get("/")
        answer = await again.post("/logout", {"csrf": page.csrf})
        assert (answer.status, answer.headers["Location"]) == (303, "/login")
        assert answer.cookies[SESSION].value == ""
        assert (await again.get("/", headers={"Cookie": f"{SESSION}={first}"})).status == 303
    assert len(served.site.auth.sessions) == 0


async def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(browser: Browser) -> None:
    wrong_password = await browser.log_in("ann", "not it at all")
    wrong_name = await browser.log_in("absent", PASSWORD)

    assert wrong_password.status == wrong_name.status == 403
    assert SESSION not in wrong_password.cookies

    def without_name(page: str) -> str:
        return re.sub(r'value="[^"]*"', "", page)

    assert without_name(wrong_password.text) == without_name(wrong_name.text)


async def test_guessing_is_slowed_down_for_a_user_from_any_address(served: Served, browser: Browser) -> None:
    answers = [await guess(served, "ann", f"203.0.113.{number}") for number in range(login_throttle.FREE + 1)]
    assert answers == [403] * login_throttle.FREE + [429]

    refused = await browser.log_in(password="not it at all")

    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert "too many failed attempts" in refused.text
    assert await guess(served, "bob", "198.51.100.7") == 403  # another user from another address is not delayed


async def test_guessing_is_slowed_down_for_an_address_with_any_user(served: Served) -> None:
    answers = [await guess(served, f"user{number}", "203.0.113.9") for number in range(login_throttle.FREE + 1)]

    assert answers == [403] * login_throttle.FREE + [429]
    assert await guess(served, "user1", "203.0.113.10") == 403


async def guess(served: Served, name: str, address: str) -> int:
    async with served.browser() as attacker:
        form = await attacker.get("/login")
        fields = {"csrf": form.csrf, "name": name, "password": "a wrong password"}
        return (await attacker.post("/login", fields, headers={"X-Forwarded-For": address})).status


def test_each_failure_doubles_the_wait_up_to_a_bound_that_decays_with_time() -> None:
    now = [0.0]
    throttle = LoginThrottle(clock=lambda: now[0])
    waits = []
    for _ in range(login_throttle.FREE + 12):
        throttle.failed(["user:ann"])
        waits.append(throttle.wait_s(["user:ann"]))

    assert waits[: login_throttle.FREE + 3] == [0.0] * (login_throttle.FREE - 1) + [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == login_throttle.LONGEST_WAIT_S
    now[0] = login_throttle.FORGOTTEN_S + 1
    throttle.failed(["user:ann"])
    assert throttle.wait_s(["user:ann"]) == 0
    throttle.failed([f"user:{number}" for number in range(login_throttle.MOST + 10)])
    assert len(throttle) == login_throttle.MOST


def test_an_ipv6_network_is_one_address_as_an_ipv4_address_is() -> None:
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:2")
    assert address_key("2001:db8:0:1::1") != address_key("2001:db8::1")
    assert address_key("192.0.2.1") != address_key("192.0.2.2")
    assert address_key("no address") == "address:?"


def test_a_session_has_an_idle_and_an_absolute_limit_and_live_updates_do_not_extend_it() -> None:
    now = [0.0]
    sessions = Sessions(Settings(session_idle_s=10, session_max_s=25), clock=lambda: now[0])
    idle, used = sessions.begin("ann"), sessions.begin("bob")

    for now[0] in (8.0, 16.0, 24.0):
        assert sessions.user_of(used, is_user_action=True) == "bob"
        assert sessions.user_of(idle, is_user_action=False) == ("ann" if now[0] <= 10 else None)
    now[0] = 26.0
    assert sessions.user_of(used, is_user_action=True) is None
    assert len(sessions) == 0


def test_beyond_the_limit_the_least_recently_used_session_ends() -> None:
    found = Sessions(Settings())
    first, second = found.begin("ann"), found.begin("ann")
    found.user_of(first, is_user_action=True)
    for _ in range(sessions.MOST - 1):
        found.begin("bob")

    assert len(found) == sessions.MOST
    assert found.user_of(first, is_user_action=True) == "ann"
    assert found.user_of(second, is_user_action=True) is None


@pytest.mark.parametrize(
    "asked",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: x=y",
        "",
        "/é",
    ],
)
async def test_a_login_redirects_to_pages_of_this_site_only(browser: Browser, asked: str) -> None:
    answer = await browser.log_in(next=asked)

    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert "x" not in answer.cookies
