"""The receiver with several providers: headers, statuses, handshakes and signed URLs, over real HTTP."""

import time
from collections.abc import Mapping

import pytest
from msgspec import structs

from broker.redis.client import Client
from receiver.errors import BadSecretError, NoPublicUrlError
from receiver.ingress.source_verifier import SourceVerifier
from sources import KINDS
from sources.configured.settings import EventSettings, HmacSettings, TokenSettings
from sources.secret import Secret
from sources.settings import Settings
from sources.signed_request import MAX_ANSWER_BYTES, Answer, SignedRequest
from sources.source_kinds import provider_of
from tests.receiver.serving import Served, batches, serving, stored

SECRETS = {name: Secret(kind.new_secret()) for name, kind in KINDS.items()}


def signed(kind: str, body: bytes, headers: Mapping[str, str] = {}, url: str = "") -> dict[str, str]:
    request = SignedRequest(body, headers, "POST", url, time.time())
    return {**headers, **KINDS[kind].sign(request, SECRETS[kind])}


async def call(
    served: Served, path: str, *, method: str = "POST", body: bytes = b"", headers: Mapping[str, str] = {}
) -> tuple[int, bytes, str]:
    url = f"http://127.0.0.1:{served.port}{path}"
    async with served.session.request(method, url, data=body or None, headers=headers) as answer:
        return answer.status, await answer.read(), answer.content_type


def source(kind: str) -> dict[str, Settings]:
    return {"shop": Settings(kind=kind, secrets=(SECRETS[kind],))}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sample_of_each_provider_is_stored_with_the_headers_that_name_it(redis: Client, kind: str) -> None:
    provider = KINDS[kind]
    sample = SignedRequest(provider.sample(1, provider.sample_event), {}, now_s=time.time())
    body = provider.sign_body(sample, SECRETS[kind])
    headers = signed(kind, body, provider.sample_headers(1, provider.sample_event))
    async with serving(redis, source(kind), public_url="https://hooks.example.com") as served:
        url = "https://hooks.example.com/webhooks/shop"
        if provider.signs_url:
            headers = signed(kind, body, provider.sample_headers(1, provider.sample_event), url)
        status, _, _ = await call(served, "/webhooks/shop", body=body, headers=headers)
        wrong, reason, _ = await call(served, "/webhooks/shop", body=b"x" + body, headers=headers)
    assert status == provider.success_status
    assert wrong == 401, reason
    [[raw]] = await batches(redis)
    lines = dict(line.split(": ", 1) for line in raw.headers.split("\n") if line)
    assert {name: lines[name] for name in provider.kept_headers if name in lines} == {
        name: headers[name] for name in provider.kept_headers if name in headers
    }
    for name in provider.signature_headers:
        assert name not in lines


async def test_slack_is_answered_without_a_body_which_it_would_show_to_a_member(redis: Client) -> None:
    slack = KINDS["slack"]
    body = slack.sample(1, "command:/deploy")
    headers = signed("slack", body, slack.sample_headers(1, "command:/deploy"))
    async with serving(redis, source("slack")) as served:
        status, content, _ = await call(served, "/webhooks/shop", body=body, headers=headers)
        kept_open, _, _ = await call(served, "/webhooks/shop", body=body, headers=headers)
    assert (status, content, kept_open) == (200, b"", 200)
    assert [raw.body for [raw] in await batches(redis)] == [body, body]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(kind="hmac", hmac=HmacSettings(header="x-mac", id="header:x-id", success_status=200)),
        Settings(kind="token", token=TokenSettings(header="x-key", event="header:x-event")),
        Settings(kind="token", token=TokenSettings(basic=True)),
        Settings(kind="none", addresses=("127.0.0.1",), none=EventSettings(id="header:x-id")),
    ],
    ids=["hmac", "token", "basic", "none"],
)
async def test_a_sample_of_each_configured_kind_is_stored(redis: Client, settings: Settings) -> None:
    provider = provider_of(settings)
    secret = Secret(provider.new_secret())
    if provider.authenticates:
        settings = structs.replace(settings, secrets=(secret,))
    body, sample_headers = provider.sample(1, "order.paid"), provider.sample_headers(1, "order.paid")
    signature = provider.sign(SignedRequest(body, sample_headers), secret)
    async with serving(redis, {"shop": settings}) as served:
        headers = {**sample_headers, **signature}
        status, _, _ = await call(served, "/webhooks/shop", body=body, headers=headers)
        unsigned, _, _ = await call(served, "/webhooks/shop", body=body + b" ", headers=sample_headers)
    assert status == provider.success_status
    assert unsigned == (401 if provider.authenticates else 202)
    [[raw], *_] = await batches(redis)
    assert set(signature) & {line.partition(": ")[0] for line in raw.headers.split("\n")} == set()
    assert all(f"{name}: {value}" in raw.headers for name, value in sample_headers.items())


async def test_a_source_of_addresses_alone_refuses_others(redis: Client) -> None:
    async with serving(redis, {"shop": Settings(kind="none", addresses=("192.0.2.1",))}) as served:
        assert (await call(served, "/webhooks/shop", body=b"{}"))[0] == 403


async def test_headers_that_identify_an_event_are_kept_before_others_are_cut_off(redis: Client) -> None:
    headers = signed(
        "github", b"{}", {"x-github-event": "push", "x-github-delivery": "d-1", "user-agent": "a" * 2000}
    )
    async with serving(redis, source("github")) as served:
        assert (await call(served, "/webhooks/shop", body=b"{}", headers=headers))[0] == 202
    [[raw]] = await batches(redis)
    assert raw.headers.startswith("x-github-event: push\nx-github-delivery: d-1\n")
    assert len(raw.headers.encode()) <= 1024


def challenge(request: SignedRequest) -> Answer | None:
    if request.method != "POST":
        return (
            Answer(body=request.url.partition("challenge=")[2].encode()) if "challenge=" in request.url else None
        )
    return Answer(body=b"pong") if request.body == b"ping" else None


async def test_a_signed_handshake_is_answered_and_not_stored(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], handshake=challenge))
    async with serving(redis, source("github")) as served:
        answer = await call(served, "/webhooks/shop", body=b"ping", headers=signed("github", b"ping"))
        assert answer == (200, b"pong", "text/plain")
        assert (await call(served, "/webhooks/shop", body=b"ping"))[0] == 401
        assert (await call(served, "/webhooks/shop", body=b"{}", headers=signed("github", b"{}")))[0] == 202
        assert 'hookline_receiver_requests_total{process="3",status="200"} 1.0' in await served.text("/metrics")
    assert await stored(redis) == [b"{}"]


async def test_a_probe_is_answered_where_the_provider_sends_one(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], handshake=challenge))
    sources = source("github") | {"plain": Settings(secrets=(SECRETS["voucherify"],))}
    async with serving(redis, sources) as served:
        assert await call(served, "/webhooks/shop?challenge=7", method="GET") == (200, b"7", "text/plain")
        assert (await call(served, "/webhooks/shop?challenge=7", method="HEAD"))[:2] == (200, b"")
        assert (await call(served, "/webhooks/shop", method="GET"))[0] == 405
        assert (await call(served, "/webhooks/plain?challenge=7", method="GET"))[0] == 405
    assert await stored(redis) == []


async def test_a_handshake_needs_an_address_that_may_send(redis: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], handshake=challenge))
    settings = Settings(kind="github", secrets=(SECRETS["github"],), addresses=("192.0.2.1",))
    async with serving(redis, {"shop": settings}) as served:
        assert (await call(served, "/webhooks/shop?challenge=7", method="GET"))[0] == 403


async def test_an_answer_that_is_too_long_is_a_defect_and_not_sent(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = structs.replace(KINDS["github"], handshake=lambda _: Answer(body=b"x" * (MAX_ANSWER_BYTES + 1)))
    monkeypatch.setitem(KINDS, "github", long)
    async with serving(redis, source("github")) as served:
        assert (await call(served, "/webhooks/shop", method="GET"))[0] == 500


async def test_the_success_status_is_that_of_the_provider(redis: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], success_status=200))
    async with serving(redis, source("github")) as served:
        answer = await call(served, "/webhooks/shop", body=b"{}", headers=signed("github", b"{}"))
        assert answer == (200, b'{"status":"accepted"}', "application/json")
        closing = {**signed("github", b"{}"), "Connection": "close"}
        assert (await call(served, "/webhooks/shop", body=b"{}", headers=closing))[0] == 200
        assert 'hookline_receiver_requests_total{process="3",status="200"} 2.0' in await served.text("/metrics")


async def test_the_signed_url_is_the_public_one_and_no_header_of_a_client_changes_it(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def verify(request: SignedRequest, *, secrets: object) -> None:  # noqa: ARG001
        seen.append(request.url)

    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], verify=verify, signs_url=True))
    async with serving(redis, source("github"), public_url="https://hooks.example.com/in/") as served:
        headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Host": "evil.example"}
        assert (await call(served, "/webhooks/shop?a=%20b", body=b"{}", headers=headers))[0] == 202
    assert seen == ["https://hooks.example.com/in/webhooks/shop?a=%20b"]


def test_a_provider_that_signs_urls_does_not_start_without_a_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "github", structs.replace(KINDS["github"], signs_url=True))
    with pytest.raises(NoPublicUrlError, match="HOOKLINE_RECEIVER_PUBLIC_URL"):
        SourceVerifier("shop", source("github")["shop"])


def test_a_secret_that_the_provider_cannot_have_is_refused_at_the_start() -> None:
    with pytest.raises(BadSecretError, match=r"sources\.shop\.secrets\[0\]: .*whsec_"):
        SourceVerifier("shop", Settings(kind="standard", secrets=(Secret("no base64!"),)))


async def test_an_old_timestamp_is_refused_at_receipt(redis: Client) -> None:
    request = SignedRequest(b"{}", {}, "POST", "", time.time() - 600)
    headers = dict(KINDS["standard"].sign(request, SECRETS["standard"]))
    async with serving(redis, source("standard")) as served:
        status, content, _ = await call(served, "/webhooks/shop", body=b"{}", headers=headers)
    assert status == 401
    assert b"the timestamp in webhook-timestamp is 60" in content


async def test_the_challenge_of_slack_is_answered_only_if_it_is_signed(redis: Client) -> None:
    body = b'{"type":"url_verification","challenge":"3eZbrw1a"}'
    async with serving(redis, source("slack")) as served:
        answer = await call(served, "/webhooks/shop", body=body, headers=signed("slack", body))
        assert answer == (200, b'{"challenge":"3eZbrw1a"}', "application/json")
        assert (await call(served, "/webhooks/shop", body=body))[0] == 401
    assert await stored(redis) == []


async def test_intercom_can_check_a_new_url_with_head(redis: Client) -> None:
    async with serving(redis, source("intercom")) as served:
        assert (await call(served, "/webhooks/shop", method="HEAD"))[:2] == (200, b"")
        assert (await call(served, "/webhooks/shop", method="GET"))[0] == 405
