"""Users whom a proxy signs in: whose headers are believed, and which rights groups give."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from multidict import CIMultiDict, CIMultiDictProxy

from broker.monitoring import audit
from broker.redis.client import Client
from inspector.http.principal import Principal
from inspector.http.routing import Answer, Route
from inspector.login_settings import ProxyLogin
from inspector.sign_in.identity import MAX_NAME_CHARS, Identity, SignInRefused
from inspector.sign_in.proxy_header import ProxyHeader
from tests.inspector.web.serving import TOKEN, USERS, Browser, Served, serving
from tests.inspector.web.test_auth_middleware import exchange
from tests.redis_server import RedisServer

USER, GROUPS = "X-Forwarded-User", "X-Forwarded-Groups"
PROXY = ProxyLogin(
    user_header=USER,
    groups_header=GROUPS,
    read_groups=("support",),
    operate_groups=("operators", "admins"),
    reveal_groups=("privacy",),
)
LOCAL = ("127.0.0.1",)
SUE = {USER: "sue", GROUPS: "staff,support"}
OLGA = {USER: "olga", GROUPS: "operators, privacy"}


async def _done(_: web.Request, principal: Principal) -> Answer:
    return web.Response(text=f"done by {principal.name}")


ROUTES = (
    Route("POST", "/do", _done, "operate"),
    Route("GET", "/private", _done, "reveal"),
    Route("POST", "/api/do", _done, "operate"),
)


def behind_proxy(
    redis_server: RedisServer, *, proxies: tuple[str, ...] = LOCAL, users: bool = True
) -> AbstractAsyncContextManager[Served]:
    configured = USERS if users else {}
    return serving(redis_server.url, users=configured, routes=ROUTES, trusted_proxies=proxies, proxy_login=PROXY)


@pytest.fixture
async def served(redis_server: RedisServer) -> AsyncIterator[Served]:
    async with behind_proxy(redis_server) as site:
        yield site


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        yield browser


async def test_the_header_of_a_proxy_signs_in_with_the_rights_of_the_groups(browser: Browser) -> None:
    page = await browser.get("/audit", headers=SUE)
    assert '<span class="who-name">sue</span>' in page.text
    assert "Log out" not in page.text
    assert (await browser.get("/private", headers=SUE)).status == 403
    refused = await browser.post("/do", {"csrf": page.csrf}, headers=SUE)
    assert "Add a group of this user to operate_groups in [inspector.proxy_login]" in refused.text

    assert "done by olga" in (await browser.get("/private", headers=OLGA)).text
    assert (await browser.get("/")).headers["Location"].startswith("/login")  # no session remains


async def test_forms_and_api_posts_of_a_proxy_user_need_their_token(browser: Browser) -> None:
    token = (await browser.get("/audit", headers=OLGA)).csrf
    other = (await browser.get("/audit", headers=SUE)).csrf

    assert (await browser.post("/do", {"csrf": token}, headers=OLGA)).status == 200
    assert (await browser.post("/do", {"csrf": other}, headers=OLGA)).status == 403
    assert (await browser.post("/do", {"csrf": token}, headers={**OLGA, "Origin": "http://evil"})).status == 403
    assert (await browser.post_json("/api/do", headers=OLGA)).status == 403
    assert (await browser.post_json("/api/do", headers={**OLGA, "X-CSRF-Token": token})).status == 200


async def test_the_header_is_refused_from_any_other_address(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with behind_proxy(redis_server, proxies=("10.9.9.9",)) as served, served.browser() as browser:
        spoofed = {**OLGA, "X-Forwarded-For": "10.9.9.9", "Forwarded": "for=10.9.9.9"}
        with caplog.at_level(logging.WARNING):
            answer = await browser.get("/private", headers=spoofed)

        assert answer.status == 403
        assert "believed only from a proxy in inspector.trusted_proxies" in answer.text
        assert "the address is not in inspector.trusted_proxies" in caplog.text
        assert "olga" not in caplog.text
        assert (await browser.get("/api/v1/status", headers={GROUPS: "operators"})).status == 403
        assert (await browser.log_in()).status == 303


async def test_without_this_setting_the_header_means_nothing(redis_server: RedisServer) -> None:
    async with (
        serving(redis_server.url, users=USERS, trusted_proxies=LOCAL) as served,
        served.browser() as browser,
    ):
        assert (await browser.get("/", headers=OLGA)).headers["Location"].startswith("/login")


async def test_a_request_that_names_two_users_is_refused(browser: Browser) -> None:
    names = f"{USER}: olga\r\n{USER.lower()}: admin\r\n{GROUPS}: operators\r\n"
    groups = f"{USER}: olga\r\n{GROUPS}: staff\r\n{GROUPS.upper()}: operators\r\n"
    for twice in (names, groups):
        head = f"GET / HTTP/1.1\r\nHost: localhost\r\n{twice}Connection: close\r\n\r\n"
        raw = await exchange(browser.served, head)
        assert raw.startswith("HTTP/1.1 400") and "twice" in raw


async def test_a_user_without_a_right_gets_a_page_that_says_so(browser: Browser) -> None:
    answer = await browser.get("/", headers={USER: "eve", GROUPS: "staff,privacy"})

    assert answer.status == 403
    assert "You are signed in as eve, and none of your groups may use Hookline" in answer.text
    assert (await browser.get("/login", headers={USER: "eve"})).status == 200


async def test_a_user_with_a_password_cannot_be_impersonated(browser: Browser) -> None:
    answer = await browser.get("/", headers={USER: "ANN", GROUPS: "operators"})

    assert answer.status == 403
    assert "belongs to a user with a password" in answer.text


async def test_passwords_and_tokens_keep_working_and_win_over_the_header(browser: Browser) -> None:
    bearer = {**SUE, "Authorization": f"Bearer {TOKEN}"}
    assert "done by ann" in (await browser.post_json("/api/do", headers=bearer)).text
    form = await browser.get("/login", headers=SUE)
    assert "Continue as sue" in form.text

    fields = {"csrf": form.csrf, "name": "ann", "password": "correct horse battery"}
    assert (await browser.post("/login", fields, headers=SUE)).status == 303

    page = await browser.get("/", headers=SUE)
    assert '<span class="who-name">ann</span>' in page.text
    assert (await browser.post("/logout", {"csrf": page.csrf}, headers=SUE)).status == 303
    assert '<span class="who-name">sue</span>' in (await browser.get("/", headers=SUE)).text


async def test_without_users_there_is_no_password_to_type_and_nothing_is_open(redis_server: RedisServer) -> None:
    async with behind_proxy(redis_server, users=False) as served, served.browser() as browser:
        assert (await browser.get("/")).status == 303
        form = await browser.get("/login")
        assert "Open Hookline at the address of the proxy" in form.text
        assert "password" not in form.text.lower().replace("hookline", "")


async def test_each_visit_is_recorded_once_with_how_the_user_signed_in(
    browser: Browser, redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    mail = {**SUE, USER: "sue@example.com"}
    with caplog.at_level(logging.INFO, "hookline.inspector"):
        await browser.get("/?live=1", headers=mail)
        assert not await audit.read(redis)  # the page asks for this by itself
        for path in ("/", "/audit", "/api/v1/status"):
            await browser.get(path, headers=mail)
    await browser.log_in()

    entries = [entry.audit_entry for entry in await audit.read(redis) if entry.audit_entry.what == "login"]
    assert [(entry.by, entry.details) for entry in entries] == [
        ("ann", {"how": "password"}),
        ("sue@example.com", {"how": "proxy"}),
    ]
    assert "*** logged in" in caplog.text and "sue@example.com" not in caplog.text


async def test_a_filter_for_an_e_mail_address_keeps_it_out_of_the_address(browser: Browser) -> None:
    mail = {**SUE, USER: "sue@example.com"}
    token = (await browser.get("/audit", headers=mail)).csrf

    answer = await browser.post("/audit", {"csrf": token, "by": "sue@example.com", "what": "login"}, headers=mail)

    address = answer.headers["Location"]
    assert address.startswith("/audit?what=login&found=") and "sue" not in address
    page = await browser.get(address, headers=mail)
    assert 'value="sue@example.com"' in page.text
    assert (await browser.get(address, headers=OLGA)).status == 410
    plain = await browser.post("/audit", {"csrf": token, "by": "sue"}, headers=mail)
    assert plain.headers["Location"] == "/audit?by=sue"


def test_only_the_separator_of_the_config_divides_groups() -> None:
    bars = structs.replace(PROXY, groups_separator="|")
    headers = CIMultiDictProxy(CIMultiDict({USER: "sue", GROUPS: "staff | support|x,operators"}))

    identity = ProxyHeader(bars, reserved=()).identify(headers, is_from_proxy=True)

    assert isinstance(identity, Identity) and identity.role == "read"
    assert isinstance(ProxyHeader(PROXY, reserved=()).identify(headers, is_from_proxy=True), Identity)
    odd = CIMultiDictProxy(CIMultiDict({USER: "sue", GROUPS: "staff|support"}))
    assert isinstance(ProxyHeader(PROXY, reserved=()).identify(odd, is_from_proxy=True), SignInRefused)


@given(st.text() | st.text(min_size=MAX_NAME_CHARS + 1), st.lists(st.text()), st.booleans())
def test_whatever_the_headers_hold_a_user_has_a_short_printable_name_and_came_from_the_proxy(
    name: str, groups: list[str], is_from_proxy: bool
) -> None:
    header = ProxyHeader(PROXY, reserved=USERS)
    headers = CIMultiDictProxy(CIMultiDict({USER: name, GROUPS: ",".join([*groups, "support"])}))

    match header.identify(headers, is_from_proxy=is_from_proxy):
        case Identity() as identity:
            assert is_from_proxy
            assert identity.name.isprintable() and 0 < len(identity.name) <= MAX_NAME_CHARS
            assert identity.name == name.strip() and identity.name.lower() not in USERS
        case SignInRefused() as refused:
            assert refused.status in (400, 403)
        case None:
            assert not name.strip()
