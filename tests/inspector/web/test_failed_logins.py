"""Wrong passwords and tokens: their cost and their log lines. Valid ones are accepted meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from broker.monitoring import audit
from broker.redis.client import Client
from inspector.http import failed_logins
from inspector.http.failed_logins import FailedLogins
from inspector.http.login_throttle import FREE, LoginThrottle
from tests.inspector.web.serving import PASSWORD, TOKEN, USERS, Browser, Served, serving
from tests.redis_server import RedisServer

WRONG = "a password that is wrong"


@pytest.fixture
async def served(redis_server: RedisServer) -> AsyncIterator[Served]:
    async with serving(redis_server.url, users=USERS) as site:
        yield site


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        yield browser


async def many_wrong_logins(served: Served, count: int, name: str = "ann") -> list[int]:
    async def one() -> int:
        async with served.browser() as attacker:
            return (await attacker.log_in(name, WRONG)).status

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def right_login(served: Served) -> int:
    async with served.browser() as browser:
        return (await browser.log_in()).status


async def test_a_right_password_gets_in_while_others_guess_at_the_user_from_the_same_address(
    served: Served,
) -> None:
    guessing = asyncio.create_task(many_wrong_logins(served, 60))

    assert [await right_login(served) for _ in range(3)] == [303] * 3

    wrong = await guessing
    assert set(wrong) <= {403, 429} and 429 in wrong
    assert await right_login(served) == 303


async def test_a_right_token_gets_in_after_any_number_of_wrong_ones(browser: Browser) -> None:
    wrong = {"Authorization": f"Bearer {'x' * 30}"}
    answers = [(await browser.get("/api/v1/status", headers=wrong)).status for _ in range(FREE + 4)]
    assert answers == [401] * FREE + [429] * 4

    assert (await browser.get("/api/v1/status", headers={"Authorization": f"Bearer {TOKEN}"})).status == 200
    assert (await browser.log_in()).status == 303


async def test_after_too_many_failures_passwords_are_checked_one_after_another() -> None:
    brakes = LoginThrottle()
    tries, keys = FailedLogins(brakes), ["user:ann"]
    for _ in range(FREE + 5):
        brakes.failed(keys)
    started_s = monotonic()

    await asyncio.gather(*(tries.wait(keys, is_gone=lambda: False) for _ in range(20)))

    assert monotonic() - started_s >= 20 / failed_logins.PASSWORDS_PER_S


async def test_a_disconnected_client_does_not_delay_others() -> None:
    brakes = LoginThrottle()
    tries, keys = FailedLogins(brakes), ["user:ann"]
    for _ in range(FREE + 5):
        brakes.failed(keys)

    async with asyncio.timeout(60):
        await asyncio.gather(*(tries.wait(keys, is_gone=lambda: True) for _ in range(10_000)))


async def test_refused_logins_and_tokens_are_logged_with_the_address_and_nothing_that_was_typed_in(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hookline")
    from_elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    form = await browser.get("/login")
    for name in ("ann", "typed the password here"):
        fields = {"csrf": form.csrf, "name": name, "password": WRONG}
        await browser.post("/login", fields, headers=from_elsewhere)
    await browser.get("/api/v1/status", headers={"Authorization": "Bearer not-the-token-at-all"} | from_elsewhere)

    logged = [record for record in caplog.records if record.name == "hookline.inspector"]
    assert [vars(record).get("action") for record in logged] == [
        "inspector_login_refused",
        "inspector_login_refused",
        "inspector_token_refused",
    ]
    assert {vars(record)["address"] for record in logged} == {"203.0.113.9"}
    assert [vars(record).get("user") for record in logged] == ["ann", None, None]
    assert all("203.0.113.9" in record.getMessage() for record in logged)
    for secret in (WRONG, "typed the password here", "not-the-token-at-all"):
        assert secret not in caplog.text
        assert secret not in str([vars(record) for record in logged])


async def test_a_flood_of_wrong_tries_costs_one_line_a_second_and_each_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = FailedLogins(LoginThrottle())
    for _ in range(FREE + 1000):
        tries.failed("token", ["address:1"], address="203.0.113.9", user="")

    assert len(caplog.records) <= FREE + 1 + 10
    assert sum(vars(record).get("count", 0) for record in caplog.records) <= 1000
    assert vars(caplog.records[-1])["address"] == "203.0.113.9"


async def test_a_login_is_in_the_audit_log(browser: Browser, redis: Client) -> None:
    await browser.log_in("ann", WRONG)
    await browser.log_in()

    assert [(row.audit_entry.by, row.audit_entry.what) for row in await audit.read(redis)] == [("ann", "login")]
    assert "login" in (await browser.get("/audit")).text


async def test_a_user_can_log_in_while_redis_is_away(own_redis: RedisServer) -> None:
    async with serving(own_redis.url, users=USERS) as served, served.browser() as browser:
        own_redis.stop()

        assert (await browser.log_in("ann", PASSWORD)).status == 303
        assert "Redis is not reachable" in (await browser.get("/")).text


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Proto": "HTTPS, http"},
        {"Forwarded": 'for=192.0.2.7;proto="https"'},
        {"Forwarded": "proto=https"},
    ],
)
async def test_behind_a_trusted_proxy_that_speaks_tls_every_cookie_is_secure(
    redis_server: RedisServer, header: dict[str, str]
) -> None:
    async with (
        serving(redis_server.url, users=USERS, trusted_proxies=("127.0.0.0/8",)) as served,
        served.browser() as browser,
    ):
        form = await browser.get("/login", headers=header)
        (cookie,) = form.cookies.values()
        assert cookie["secure"] and cookie["httponly"]
        fields = {"csrf": form.csrf, "name": "ann", "password": PASSWORD}
        sent = {"Cookie": f"{cookie.key}={cookie.value}"}
        logged_in = await browser.post("/login", fields, headers=header | sent)

    assert logged_in.status == 303
    assert logged_in.cookies["__Host-hookline_session"]["secure"]


async def test_a_header_from_anywhere_else_makes_no_cookie_secure(browser: Browser) -> None:
    form = await browser.get("/login", headers={"X-Forwarded-Proto": "https", "Forwarded": "proto=https"})

    assert [cookie["secure"] for cookie in form.cookies.values()] == [""]
