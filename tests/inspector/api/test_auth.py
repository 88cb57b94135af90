"""Attacks on the API, and the operations that each permission allows."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest

from broker.monitoring import audit
from broker.redis.client import Client
from inspector.api.operation import MAX_BODY_BYTES
from inspector.api.routes import OPERATIONS
from inspector.http import login_throttle
from tests.inspector.api.calling import TOKENS, USERS, Caller, add_few, calling
from tests.inspector.stack import all_letters
from tests.inspector.web.serving import serving
from tests.inspector.web.test_auth_middleware import csrf, exchange
from tests.redis_server import RedisServer

DISCARD = {"verb": "discard", "filter": {}}


@pytest.fixture
async def api(redis_server: RedisServer, redis: Client) -> AsyncIterator[Caller]:
    await add_few(redis, 3)
    async with calling(redis_server) as caller:
        yield caller


def _path(path: str) -> str:
    return path.replace("{id}", "0" * 17).replace("{name}", "crm").replace("{fingerprint}", "0" * 12)


async def test_without_a_token_every_operation_is_refused(api: Caller) -> None:
    for one in OPERATIONS:
        answer = await api.ask(one.method, _path(one.path), by="", json={})
        assert answer.status == 401, one.name
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "deadLetters" not in str(answer.json)


async def test_each_operation_requires_its_permission(api: Caller, redis: Client) -> None:
    forbidden = {"bob": {"operate", "reveal", "edit"}, "eve": {"reveal", "edit"}, "ann": set()}
    for by, rights in forbidden.items():
        for one in OPERATIONS:
            answer = await api.ask(one.method, _path(one.path), by=by, json={})
            assert (answer.status == 403) == (one.right in rights), (by, one.name)
    assert len(await all_letters(redis)) == 3


async def test_guessing_tokens_is_slowed_down(api: Caller) -> None:
    wrong = {"Authorization": "Bearer " + "x" * 30}

    answers = [
        (await api.ask("GET", "/dead", by="", headers=wrong)).status for _ in range(login_throttle.FREE + 1)
    ]

    assert answers == [401] * login_throttle.FREE + [429]
    assert (await api.get("/dead")).status == 200  # a valid token is never refused


async def test_a_session_must_send_its_csrf_token(redis_server: RedisServer, redis: Client) -> None:
    await add_few(redis, 2)
    async with serving(redis_server.url, users=USERS) as served, served.browser() as ann:
        await ann.log_in()
        token, own, path = await csrf(ann), {"Origin": served.url}, "/api/v1/actions"
        for headers in (own, own | {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": token, "Origin": "http://evil"}):
            assert (await ann.ask("POST", path, json=DISCARD, headers=headers)).status == 403
        form = await ann.ask("POST", path, data=DISCARD["verb"], headers=own | {"X-CSRF-Token": token})
        assert form.status == 415
        assert len(await all_letters(redis)) == 2
        assert (await ann.get("/api/v1/dead")).status == 200

        done = await ann.ask("POST", path, json=DISCARD, headers=own | {"X-CSRF-Token": token})

        assert done.status == 201


async def test_a_page_of_another_site_changes_nothing_even_without_users(
    redis_server: RedisServer, redis: Client
) -> None:
    await add_few(redis, 1)
    async with calling(redis_server, users={}) as api:
        for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await api.post("/actions", DISCARD, by="", headers=headers)).status == 403
        plain = {"Content-Type": "text/plain"}
        assert (await api.ask("POST", "/actions", by="", data=b"{}", headers=plain)).status == 415
        assert (await api.get("/actions", by="")).json["actions"] == []


async def test_only_plain_json_is_read(api: Caller) -> None:
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
    ):
        answer = await api.ask("POST", "/actions", data=b"{}", headers={"Content-Type": kind})
        assert answer.status == 415, kind
    for coding in ("gzip", "nonsense"):
        head = {"Content-Type": "application/json", "Content-Encoding": coding}
        answer = await api.ask("POST", "/actions", data=gzip.compress(b"{}"), headers=head)
        assert answer.status == 415, coding
    for junk in (b"", b"{", b"\xff", b"[" * 100_000, b'{"verb":"\\ud800"}', b"null"):
        answer = await api.ask("POST", "/actions", data=junk, headers={"Content-Type": "application/json"})
        assert answer.status == 400, junk[:9]


async def test_too_large_a_body_is_refused(api: Caller) -> None:
    large = {"verb": "discard", "ids": ["0" * 17] * 10_000}
    assert (await api.post("/actions", large)).status == 201
    answer = await api.post("/actions", {"verb": "discard", "x": "x" * MAX_BODY_BYTES})
    assert (answer.status, "1024 KiB" in answer.json["error"]) == (413, True)


async def test_the_body_of_an_unauthorized_request_is_not_read(api: Caller) -> None:
    assert (await api.post("/actions", {"x": "x" * MAX_BODY_BYTES}, by="bob")).status == 403


async def test_hostile_paths_and_headers_have_no_effect(api: Caller, redis: Client) -> None:
    token = TOKENS["ann"]
    for path in (
        "dead/%0d%0aSet-Cookie:x=y",
        "dead/..%2f..%2fstatus",
        "dead/%2e%2e/%2e%2e/login",
        "dead/x%00y",
        "actions/..%2f..%2fdead",
        "channels/%2f/pause",
        "dead?cursor=%0d%0aSet-Cookie:x=y",
        "dead?%0d%0aSet-Cookie:x=y",
    ):
        head = f"Host: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        raw = await exchange(api.served, f"GET /api/v1/{path} HTTP/1.1\r\n{head}")
        assert raw.split(" ")[1] in {"400", "404", "405"}, path
        assert "\r\nSet-Cookie" not in raw
    assert list(await audit.read(redis)) == []


async def test_a_wrong_method_is_answered_with_the_allowed_ones(api: Caller) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = await api.ask(method, "/actions")
        assert (answer.status, set(answer.headers["Allow"].split(","))) == (405, {"GET", "HEAD", "POST"})
        assert answer.json["error"]
    assert (await api.get("/nothing")).json["error"]
