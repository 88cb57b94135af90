"""Logins by OpenID Connect, at a real provider with real keys."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect
from yarl import URL

from broker.monitoring import audit
from broker.redis.client import Client
from inspector.login_settings import OidcLogin
from inspector.sign_in.oidc import http, provider
from inspector.sign_in.oidc.errors import IdTokenError
from inspector.sign_in.oidc.flow import LOGIN_S, Flows
from inspector.sign_in.oidc.id_token import LEEWAY_S, verified_claims
from sources.secret import Secret
from tests.inspector.web.browsing import faults_in_each_look, tab
from tests.inspector.web.oidc_provider import CLIENT, SECRET, OidcProvider, rsa_key, running_provider
from tests.inspector.web.serving import USERS, Browser, Reply, Served, serving
from tests.ports import free_port
from tests.redis_server import RedisServer

COOKIE, SESSION = "hookline_oidc", "hookline_session"


@pytest.fixture
async def oidc() -> AsyncIterator[OidcProvider]:
    async with running_provider() as running:
        yield running


@asynccontextmanager
async def inspector(
    redis_server: RedisServer,
    issuer: str,
    *,
    users: bool = True,
    secret: str = SECRET,
    public_url: str = "",
    name_claim: str = "preferred_username",
) -> AsyncIterator[Served]:
    port = free_port()
    settings = OidcLogin(
        issuer=issuer,
        client_id=CLIENT,
        client_secret=Secret(secret),
        public_url=public_url or f"http://127.0.0.1:{port}",
        read_groups=("support",),
        operate_groups=("operators",),
        reveal_groups=("privacy",),
        name_claim=name_claim,
    )
    async with serving(redis_server.url, users=USERS if users else {}, port=port, oidc=settings) as served:
        yield served


@pytest.fixture
async def served(redis_server: RedisServer, oidc: OidcProvider) -> AsyncIterator[Served]:
    async with inspector(redis_server, oidc.issuer) as site:
        yield site


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[Browser]:
    async with served.browser() as browser:
        yield browser


async def go_to_provider(browser: Browser, path: str = "/") -> str:
    """Begin a login; return the path and query with which the provider sends the browser back."""
    begun = await browser.get(f"/login/oidc?next={path}")
    assert begun.status == 303, begun.text
    async with browser.session.get(URL(begun.headers["Location"], encoded=True), allow_redirects=False) as answer:
        assert answer.status == 302
        return URL(answer.headers["Location"]).raw_path_qs


async def log_in(browser: Browser, path: str = "/") -> Reply:
    return await browser.get(await go_to_provider(browser, path))


async def test_a_login_at_the_provider_gives_a_session_with_the_rights_of_the_groups(
    oidc: OidcProvider, browser: Browser, redis: Client
) -> None:
    assert "Log in with localhost" in (await browser.get("/login")).text
    begun = (await browser.get("/login/oidc")).cookies[COOKIE]
    assert (begun["samesite"], begun["httponly"], begun["path"]) == ("Lax", True, "/")

    done = await log_in(browser, "/audit")

    assert done.status == 200 and 'content="0;url=/audit"' in done.text
    assert done.cookies[SESSION]["samesite"] == "Strict" and done.cookies[COOKIE].value == ""
    page = await browser.get("/audit")
    assert '<span class="who-name">sue</span>' in page.text
    refused = await browser.post("/channels/pause", {"csrf": page.csrf, "name": "crm"})
    assert "Add a group of this user to operate_groups in [inspector.oidc]" in refused.text
    [login] = [entry.audit_entry for entry in await audit.read(redis)]
    assert (login.by, login.what, login.details) == ("sue", "login", {"how": "oidc", "subject": "id-of-sue"})

    left = await browser.post("/logout", {"csrf": page.csrf})
    farewell = await browser.get(left.headers["Location"])
    assert f"{oidc.issuer}/logout?client_id=hookline" in farewell.text
    assert (await browser.get("/audit")).status == 303

    oidc.claims |= {"groups": ["operators", "privacy"]}
    await log_in(browser)
    page = await browser.get("/audit")
    assert (await browser.post("/channels/pause", {"csrf": page.csrf, "name": "absent"})).status == 404


async def test_with_https_both_cookies_are_secure_and_bound_to_the_host(
    redis_server: RedisServer, oidc: OidcProvider
) -> None:
    public_url = "https://hookline.example.com"
    async with (
        inspector(redis_server, oidc.issuer, public_url=public_url) as served,
        served.browser() as browser,
    ):
        assert f'href="{public_url}/login/oidc?next=%2F"' in (await browser.get("/login")).text
        cookie = (await browser.get("/login/oidc")).cookies[f"__Host-{COOKIE}"]
        assert cookie["secure"] and cookie["path"] == "/" and not cookie["domain"]

        back = await go_to_provider(browser)
        cookie = browser.session.cookie_jar.filter_cookies(URL(served.url).with_scheme("https"))
        sent = "; ".join(f"{name}={one.value}" for name, one in cookie.items())
        done = await browser.get(back, headers={"Cookie": sent})

        assert done.cookies[f"__Host-{SESSION}"]["secure"]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_browser_comes_back_from_the_provider_with_its_session(
    chromium: Chromium, redis_server: RedisServer
) -> None:
    async with running_provider() as oidc, inspector(redis_server, oidc.issuer) as served, tab(chromium) as page:
        await page.goto(f"{served.url}/audit")
        assert await faults_in_each_look(page) == []

        await page.click("text=Log in with localhost")

        await expect(page.locator(".who-name")).to_have_text("sue")
        assert page.url == f"{served.url}/audit"
        await page.click("text=Log out")
        await expect(page.locator("text=Log out there too")).to_be_visible()
        assert await faults_in_each_look(page) == []


def now(offset_s: float = 0) -> int:
    return int(time.time() + offset_s)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "of another login"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"iss": "http://evil.example"}, "iss"),
        ({"aud": "another client"}, "aud"),
        ({"aud": [CLIENT, "another"]}, "azp"),
        ({"azp": "another client"}, "azp"),
        ({"exp": now(-LEEWAY_S - 5)}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"iat": now(86_400)}, "issued in the future"),
        ({"nbf": now(86_400)}, "not yet valid"),
        ({"sub": None}, "sub"),
        ({"preferred_username": None}, "preferred_username"),
        ({"preferred_username": ["sue"]}, "preferred_username"),
        ({"preferred_username": "sue\u202e"}, "printable"),
        ({"preferred_username": "Ann"}, "password"),
        ({"groups": ["staff"]}, "none of your groups may use Hookline"),
        ({"groups": {"support": True}}, "none of your groups"),
        ({"groups": None}, "none of your groups"),
    ],
)
async def test_a_token_that_is_not_for_this_login_lets_no_user_in(
    oidc: OidcProvider, browser: Browser, claims: Mapping[str, Any], reason: str
) -> None:
    oidc.claims |= claims

    answer = await log_in(browser)

    assert answer.status == 403
    assert reason in answer.text
    assert SESSION not in answer.cookies


async def test_an_address_that_the_provider_calls_unverified_is_no_name(
    redis_server: RedisServer, oidc: OidcProvider
) -> None:
    async with inspector(redis_server, oidc.issuer, name_claim="email") as served, served.browser() as browser:
        for unverified in (False, "false", "False"):
            oidc.claims |= {"email": "boss@example.com", "email_verified": unverified}
            answer = await log_in(browser)
            assert (answer.status, "not verified" in answer.text) == (403, True)
        for verified in ("true", True, None):
            oidc.claims["email_verified"] = verified
            assert SESSION in (await log_in(browser)).cookies


def unsigned(claims: Mapping[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "kid": "first"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def with_shared_secret(claims: dict[str, Any]) -> str:
    """Sign with what is public as if it were a shared secret."""
    public = rsa_key("first").as_pem(private=False)
    return jwt.encode({"alg": "HS256", "kid": "first"}, claims, OctKey.import_key(public.hex()))


async def test_a_token_without_a_signature_of_a_published_key_lets_no_user_in(
    oidc: OidcProvider, browser: Browser
) -> None:
    def signed(name: str, kid: str) -> Any:
        return lambda claims: jwt.encode({"alg": "RS256", "kid": kid}, claims, rsa_key(name))

    good = oidc.sign
    for sign in (
        unsigned,
        with_shared_secret,
        signed("second", "second"),
        signed("second", "first"),
        lambda claims: good(claims)[:-4] + "AAAA",
        lambda _: "not.a.token",
        lambda _: "",
        lambda claims: good({**claims, "padding": "x" * 300_000}),
    ):
        oidc.sign = sign
        answer = await log_in(browser)
        assert answer.status in (403, 502), answer.text
        assert SESSION not in answer.cookies
    oidc.sign = good
    assert SESSION in (await log_in(browser)).cookies


async def test_a_login_counts_once_and_only_in_the_browser_that_began_it(
    served: Served, oidc: OidcProvider, browser: Browser
) -> None:
    back = await go_to_provider(browser)
    cookie = browser.session.cookie_jar.filter_cookies(URL(served.url))[COOKIE].value
    async with served.browser() as other:
        stolen = await other.get(back)
        assert stolen.status == 400 and "began in another browser" in stolen.text
        assert (await other.get("/login/oidc")).status == 303
        assert (await other.get(back)).status == 400  # with the cookie of another login

        assert SESSION in (await browser.get(back)).cookies

        again = await other.get(back, headers={"Cookie": f"{COOKIE}={cookie}"})
        assert again.status == 400
    exchanged = oidc.asked.count("/token")
    back = await go_to_provider(browser)
    for query in ({"error": "access_denied"}, {"code": ""}, {"iss": "http://evil.example"}):
        back = await go_to_provider(browser)
        assert (await browser.get(str(URL(back, encoded=True).update_query(query)))).status == 403
    assert oidc.asked.count("/token") == exchanged
    reused = URL(await go_to_provider(browser), encoded=True).update_query(code="code-0")
    assert "invalid_grant" in (await browser.get(str(reused))).text


async def test_a_new_key_of_the_provider_is_fetched_and_unknown_ones_seldom(
    oidc: OidcProvider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SESSION in (await log_in(browser)).cookies
    oidc.key, oidc.published = rsa_key("second"), [rsa_key("second")]

    for _ in range(3):
        assert (await log_in(browser)).status == 403
    assert oidc.asked.count("/keys") == 1  # the last request was a moment ago
    monkeypatch.setattr(provider, "REFRESH_S", 0)

    assert SESSION in (await log_in(browser)).cookies
    assert oidc.asked.count("/keys") == 2
    assert oidc.asked.count("/.well-known/openid-configuration") == 1


async def test_while_the_provider_is_away_the_page_says_so_and_passwords_work(
    redis_server: RedisServer,
    oidc: OidcProvider,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        inspector(redis_server, f"http://127.0.0.1:{free_port()}") as served,
        served.browser() as browser,
    ):
        answer = await browser.get("/login/oidc?next=/audit")

        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "127.0.0.1 does not answer as it should. In a moment log in with a password" in answer.text
        assert (await browser.log_in()).status == 303

    monkeypatch.setattr(provider, "FAILED_S", 0)
    monkeypatch.setattr(http, "TIMEOUT_S", 0.2)
    async with inspector(redis_server, oidc.issuer) as served, served.browser() as browser:
        for broken, reason in (
            ({"issuer": f"{oidc.issuer}/"}, "set inspector.oidc.issuer to this text"),
            ({"token_endpoint": "ftp://localhost/token"}, "not https"),
            ({"authorization_endpoint": "http://localhost:99999/"}, "not https"),
            ({"jwks_uri": 7}, "not the JSON"),
            ({"padding": "x" * http.MAX_BYTES}, "more than 256 KiB"),
        ):
            oidc.metadata = broken
            assert (await browser.get("/login/oidc")).status == 503
            assert reason in caplog.text
        oidc.metadata, oidc.status = {}, 302
        assert (await browser.get("/login/oidc")).status == 503
        assert "answered 302 instead of 200" in caplog.text
        oidc.status = 200
        assert SESSION in (await log_in(browser)).cookies


async def test_a_provider_that_does_not_answer_in_time_is_not_asked_again_at_once(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connections = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()
        writer.close()

    monkeypatch.setattr(http, "TIMEOUT_S", 0.1)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with inspector(redis_server, f"http://127.0.0.1:{port}") as served, served.browser() as browser:
            answers = await asyncio.gather(*(browser.get("/login/oidc") for _ in range(20)))
    assert {answer.status for answer in answers} == {503}
    assert connections == 1
    assert "did not answer within 0.1 s" in caplog.text


async def test_a_wrong_secret_of_the_client_is_named_in_the_log(
    redis_server: RedisServer, oidc: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        inspector(redis_server, oidc.issuer, users=False, secret="a wrong secret") as served,
        served.browser() as browser,
    ):
        assert (await browser.get("/audit")).status == 303  # nothing is open without users
        assert 'id="password"' not in (await browser.get("/login")).text
        with caplog.at_level(logging.WARNING):
            answer = await log_in(browser)
        assert answer.status == 502
        assert "check inspector.oidc.client_id and client_secret" in caplog.text
        assert "a wrong secret" not in caplog.text


def test_a_login_expires_and_a_cookie_of_another_kind_is_refused() -> None:
    clock = [1000.0]
    flows = Flows(clock=lambda: clock[0])
    cookie, flow = flows.begin("/é?x=1")
    late, late_flow = flows.begin("/")

    assert flows.resume(cookie, flow.state) == flow and flow.next_path == "/é?x=1"
    assert flows.resume(cookie, flow.state) is None
    clock[0] += LOGIN_S + 1
    assert flows.resume(late, late_flow.state) is None
    assert Flows().resume(late, late_flow.state) is None
    younger = late.replace(".1000.", ".1600.")
    assert flows.resume(younger, late_flow.state) is None


@given(st.text(max_size=300) | st.builds(lambda a, b: f"{a}.{b}.c", st.text(), st.text()), st.text())
def test_no_made_up_cookie_or_state_resumes_a_login(cookie: str, state: str) -> None:
    flows = Flows()
    real, _ = flows.begin("/")

    assert flows.resume(cookie, state) is None
    assert flows.resume(real, state) is None


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_a_provider_calls_an_id_token_is_refused_with_a_reason(junk: bytes) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"RS256"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(junk).decode().rstrip("=")
    for token in (junk.decode("latin-1"), f"{header}.{body}.{body}", f"{body}.{header}.{body}"):
        with pytest.raises(IdTokenError):
            verified_claims(token, [rsa_key("first")], issuer="i", client_id="c", nonce="n")
