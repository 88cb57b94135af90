"""Attacks on the pages, and what each permission allows."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from yarl import URL

from inspector.http import login_throttle
from inspector.http.principal import Principal, Right
from inspector.http.routing import Answer, ErrorAnswer, Route
from inspector.site import MAX_BODY_BYTES
from tests.inspector.web.serving import TOKEN, USERS, Browser, Reply, Served, serving
from tests.redis_server import RedisServer


async def _done(request: web.Request, principal: Principal) -> Answer:
    return web.Response(text=f"done by {principal.name}: {(await request.read()).decode()[:9]}")


async def _broken(_: web.Request, __: Principal) -> Answer:
    raise RuntimeError("secret words")


async def _gone(_: web.Request, __: Principal) -> Answer:
    return ErrorAnswer(404, "No such letter: <script>alert(1)</script>")


async def _slow(_: web.Request, __: Principal) -> Answer:
    await asyncio.sleep(60)
    raise AssertionError("no test waits for this")


def _route(method: str, path: str, right: Right = "read") -> Route:
    return Route(method, path, _done, right)


ROUTES = (
    _route("POST", "/do", "operate"),
    _route("GET", "/private", "reveal"),
    _route("GET", "/api/look"),
    _route("POST", "/api/do", "operate"),
    Route("GET", "/broken", _broken),
    Route("GET", "/slow", _slow),
    Route("GET", "/gone/{id}", _gone),
    Route("GET", "/api/gone/{id}", _gone),
)


@pytest.fixture
async def served(redis_server: RedisServer) -> AsyncIterator[Served]:
    async with serving(redis_server.url, users=USERS, routes=ROUTES) as site:
        yield site


@pytest.fixture
async def ann(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        await browser.log_in()
        yield browser


@pytest.fixture
async def bob(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        await browser.log_in("bob", "bobs own password")
        yield browser


@pytest.fixture
async def anonymous(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        yield browser


async def csrf(browser: Browser) -> str:
    return (await browser.get("/")).csrf


async def test_a_form_of_this_site_is_accepted(ann: Browser) -> None:
    assert (await ann.post("/do", {"csrf": await csrf(ann)})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_form_of_another_site_is_refused_even_with_the_right_token(
    ann: Browser, headers: dict[str, str]
) -> None:
    answer = await ann.post("/do", {"csrf": await csrf(ann)}, headers=headers)

    assert answer.status == 403
    assert "another web site" in answer.text


async def test_a_form_without_an_origin_is_refused(ann: Browser) -> None:
    assert (await ann.ask("POST", "/do", data={"csrf": await csrf(ann)})).status == 403


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
async def test_a_form_without_its_token_is_refused(ann: Browser, token: str) -> None:
    assert (await ann.post("/do", {"csrf": token})).status == 403
    assert (await ann.post("/do", {})).status == 403


async def test_the_token_of_another_session_is_refused(served: Served, ann: Browser, bob: Browser) -> None:
    assert (await ann.post("/do", {"csrf": await csrf(bob)})).status == 403
    async with served.browser() as also_ann:
        await also_ann.log_in()
        assert (await ann.post("/do", {"csrf": await csrf(also_ann)})).status == 403


async def test_the_login_form_needs_its_token_too(anonymous: Browser) -> None:
    form = await anonymous.get("/login")
    fields = {"csrf": form.csrf, "name": "ann", "password": "correct horse battery"}

    assert (await anonymous.post("/login", fields, headers={"Origin": "http://evil.example"})).status == 403
    assert (await anonymous.post("/login", fields | {"csrf": "0" * 64})).status == 403
    anonymous.session.cookie_jar.clear()  # a browser that did not get the form
    assert (await anonymous.post("/login", fields)).status == 403


async def test_a_form_of_another_kind_is_not_read(ann: Browser) -> None:
    headers = {"Content-Type": "text/plain", "Origin": ann.served.url}

    assert (await ann.ask("POST", "/do", data=b"csrf=x", headers=headers)).status == 415


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity", "nonsense"])
@pytest.mark.parametrize(
    "body", [b"\x1f\x8b junk \xff", gzip.compress(b"csrf=x", mtime=0), b""], ids=["junk", "gzipped", "empty"]
)
async def test_a_compressed_body_is_not_decompressed(ann: Browser, coding: str, body: bytes) -> None:
    kinds = {"/do": "application/x-www-form-urlencoded", "/login": "application/x-www-form-urlencoded"}
    for path, kind in {**kinds, "/api/do": "application/json"}.items():
        head = {"Content-Type": kind, "Content-Encoding": coding, "Origin": ann.served.url}
        answer = await ann.ask("POST", path, data=body, headers=head)
        assert answer.status == 415, path
        assert "without a Content-Encoding" in answer.text


@pytest.mark.parametrize("charset", ["nonsense", "utf-16", "idna", "base64", "rot13"])
async def test_a_form_in_an_unsupported_encoding_is_not_read(ann: Browser, charset: str) -> None:
    head = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}", "Origin": ann.served.url}
    assert (await ann.ask("POST", "/do", data=b"csrf=\xff\xfe%ff", headers=head)).status in {400, 403}


async def test_each_role_has_its_permissions(ann: Browser, bob: Browser, anonymous: Browser) -> None:
    refused = await bob.post("/do", {"csrf": await csrf(bob)})
    assert refused.status == 403
    assert "bob is not allowed to do this" in refused.text
    assert (await bob.get("/private")).status == 403
    assert (await ann.get("/private")).status == 200
    assert (await anonymous.get("/private")).status == 303
    assert (await anonymous.post("/do", {"csrf": "x"})).status == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "evil.example:8081",
        "127.0.0.1@evil",
        "",
        "é",
    ],
)
async def test_requests_for_an_unknown_host_name_are_refused(ann: Browser, host: str) -> None:
    raw = await exchange(ann.served, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")

    assert raw.split(" ")[1] in {"421", "400"}
    assert "who-name" not in raw


async def test_a_request_with_two_host_headers_is_refused(served: Served) -> None:
    two = f"Host: 127.0.0.1:{served.port}\r\nHost: evil.example\r\n"

    raw = await exchange(served, f"GET /login HTTP/1.1\r\n{two}Connection: close\r\n\r\n")

    assert raw.split(" ")[1] in {"421", "400"}


async def test_local_host_names_and_those_of_the_config_are_accepted(redis_server: RedisServer) -> None:
    async with serving(redis_server.url, users=USERS, hosts=("Hook.example", "2001:db8::1")) as served:
        for host in ("localhost", "LOCALHOST:1", "[::1]:8081", "hook.example:443", "[2001:db8::1]"):
            raw = await exchange(served, f"GET /login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            assert raw.startswith("HTTP/1.1 200"), host


async def exchange(served: Served, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(text.encode("latin-1"))
    received = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    await writer.wait_closed()
    return received.decode()


STRICT = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "hookline",
}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/login", 303), ("/nothing", 404), ("/private", 200), ("/broken", 500), ("/healthz", 200)],
)
async def test_every_answer_has_strict_headers(ann: Browser, path: str, status: int) -> None:
    answer = await ann.get(path)

    assert answer.status == status
    assert {name: answer.headers.get(name) for name in STRICT} == STRICT
    assert "camera=()" in answer.headers["Permissions-Policy"]


async def test_answers_to_malformed_http_have_strict_headers_too(served: Served) -> None:
    raw = await exchange(served, "GET / HTTP/1.1\r\nHost: localhost\r\nBad header\r\n\r\n")

    assert raw.startswith("HTTP/1.1 400")
    assert "default-src 'none'" in raw


async def test_an_internal_error_is_shown_in_the_log_only(ann: Browser, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ann.get("/broken")

    assert "secret words" not in answer.text
    assert "secret words" in caplog.text


async def test_foreign_text_is_never_markup(ann: Browser, anonymous: Browser) -> None:
    assert "<script>alert(1)" not in (await ann.get("/gone/x")).text
    assert (await ann.get("/gone/x")).status == 404
    answer = await anonymous.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>alert" not in answer.text
    form = {"csrf": answer.csrf, "name": '"><script>alert(1)</script>', "password": "x"}
    assert "<script>alert" not in (await anonymous.post("/login", form)).text
    assert "<script>alert" not in (await ann.get("/", params={"range": "<script>alert(1)</script>"})).text


async def test_a_hostile_path_has_no_effect(served: Served) -> None:
    for path in (
        "/static/../site.py",
        "/static/%2e%2e%2fdoor.py",
        "/static/..%5cdoor.py",
        "/static/site.py",
        "/static/",
    ):
        raw = await exchange(served, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert raw.startswith("HTTP/1.1 404"), path
    raw = await exchange(
        served, "GET //evil.example/%0d%0aSet-Cookie:x=y HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert "\r\nSet-Cookie:" not in raw.replace("\r\nSet-Cookie: hookline", "")
    assert "Location: //" not in raw


async def test_browsers_cache_static_files_by_version(anonymous: Browser) -> None:
    page = await anonymous.get("/login")
    address = page.text.split('href="/static/style.css')[1].split('"')[0]

    versioned = await anonymous.get(f"/static/style.css{address}")

    assert versioned.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert versioned.headers["Content-Type"].startswith("text/css")
    assert (await anonymous.get("/static/style.css?other")).headers["Cache-Control"] == "no-cache"


async def test_a_large_form_is_refused_and_an_unknown_method_too(ann: Browser) -> None:
    large = await ann.post("/do", {"csrf": await csrf(ann), "x": "x" * MAX_BODY_BYTES})
    assert large.status == 413
    assert "64 KiB" in large.text
    wrong = await ann.ask("PUT", "/do")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")


async def test_a_form_that_arrives_too_slowly_is_aborted(ann: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.http.auth_middleware._BODY_S", 0.05)
    cookie = next(iter(ann.session.cookie_jar.filter_cookies(URL(ann.served.url)).values()))
    head = (
        f"POST /do HTTP/1.1\r\nHost: 127.0.0.1:{ann.served.port}\r\nOrigin: {ann.served.url}\r\n"
        f"Cookie: {cookie.key}={cookie.value}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )

    raw = await exchange(ann.served, f"{head}Content-Length: 100\r\n\r\ncsrf=")

    assert raw.startswith("HTTP/1.1 408")


async def test_a_page_that_takes_too_long_is_aborted(ann: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.site._REQUEST_S", 0.05)

    assert (await ann.get("/slow")).status == 503


async def test_while_redis_is_away_pages_say_so(own_redis: RedisServer) -> None:
    async with serving(own_redis.url) as served, served.browser() as browser:
        own_redis.stop()
        answer = await browser.get("/")

        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "Redis is not reachable" in answer.text
        own_redis.start()
        assert (await browser.get("/")).status == 200


async def test_after_a_session_ended_the_live_part_answers_401_without_a_redirect(anonymous: Browser) -> None:
    answer = await anonymous.get("/?live=1")

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Form location="/login"')


# The API


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_token_gives_access_to_the_api_and_to_no_page(anonymous: Browser) -> None:
    assert "done by ann" in (await anonymous.get("/api/look", headers=bearer(TOKEN))).text
    assert (await anonymous.post_json("/api/do", headers=bearer(TOKEN))).status == 200
    assert (await anonymous.get("/private", headers=bearer(TOKEN))).status == 303


async def test_without_a_valid_token_the_api_answers_401_in_json(anonymous: Browser) -> None:
    for headers in ({}, bearer("wrong" * 5), {"Authorization": f"Basic {TOKEN}"}, bearer("")):
        answer = await anonymous.get("/api/look", headers=headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.text.startswith('{"error":"')


async def test_guessing_tokens_is_slowed_down(anonymous: Browser) -> None:
    answers = [
        (await anonymous.get("/api/look", headers=bearer("x" * 30))).status for _ in range(login_throttle.FREE + 1)
    ]

    assert answers == [401] * login_throttle.FREE + [429]
    assert (
        await anonymous.get("/api/look", headers=bearer(TOKEN))
    ).status == 200  # a valid token is never refused


async def test_an_api_post_is_json_and_with_a_session_must_send_its_csrf_token(ann: Browser) -> None:
    token = await csrf(ann)
    own = {"Origin": ann.served.url}

    assert (await ann.post_json("/api/do", headers=own | {"X-CSRF-Token": token})).status == 200
    assert (await ann.post_json("/api/do", headers=own)).status == 403
    assert (await ann.post_json("/api/do", headers=own | {"X-CSRF-Token": "0" * 64})).status == 403
    other = own | {"X-CSRF-Token": token, "Origin": "http://evil.example"}
    assert (await ann.post_json("/api/do", headers=other)).status == 403
    form = await ann.post("/api/do", {"csrf": token}, headers={"X-CSRF-Token": token})
    assert form.status == 415


async def test_without_users_a_page_of_another_site_still_changes_nothing(redis_server: RedisServer) -> None:
    async with serving(redis_server.url, routes=ROUTES) as served, served.browser() as browser:
        assert (await browser.post_json("/api/do")).status == 200  # a program on this machine
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await browser.post_json("/api/do", headers=headers)).status == 403
        plain = {"Content-Type": "text/plain"}
        assert (await browser.ask("POST", "/api/do", data=b"{}", headers=plain)).status == 415
        assert (await browser.post("/do", {})).status == 403


async def test_no_answer_lets_other_sites_read_it(ann: Browser) -> None:
    def allowed(answer: Reply) -> list[str]:
        return [name for name in answer.headers if name.lower().startswith("access-control-")]

    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    assert allowed(await ann.ask("OPTIONS", "/api/do", headers=preflight)) == []
    assert allowed(await ann.get("/api/look", headers={"Origin": "http://evil.example"})) == []


async def test_the_number_of_connections_is_limited(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.http.http_protocol.MOST_CONNECTIONS", 3)
    open_ones = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(3)]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        await writer.wait_closed()
    finally:
        await closed(*(writer for _, writer in open_ones))


async def closed(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        await writer.wait_closed()
