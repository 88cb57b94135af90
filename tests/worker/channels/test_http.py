"""Signed POSTs, and the addresses that the http channel refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from sources.secret import Secret
from worker.channels.errors import ChannelError
from worker.channels.http import HttpChannel
from worker.channels.public_addresses import is_public
from worker.channels.settings import HttpSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

MESSAGE = Message(key="key-1", rule="r", source="s", event="e", text="40 \u2014 ok", data={"a": 1})


class Taken:
    """The POSTs that a server got: (headers, body) each."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.transports: set[Any] = set()
        self.url = ""


@asynccontextmanager
async def server(status: int = 204, headers: dict[str, str] | None = None) -> AsyncIterator[Taken]:
    taken = Taken()

    async def take(request: web.Request) -> web.Response:
        assert len({name.lower() for name in request.headers}) == len(request.headers)  # without duplicates
        taken.posts.append((dict(request.headers), await request.read()))
        taken.transports.add(request.transport)
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    taken.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield taken
    finally:
        await runner.cleanup()


async def sent(url: str, *messages: Message, **settings: Any) -> list[Outcome]:
    channel = HttpChannel(HttpSettings(url=url, timeout_s=20.0, **({"allow_private": True} | settings)))
    try:
        return [await channel.send(message) for message in messages or (MESSAGE,)]
    finally:
        await channel.close()


def made_up() -> str:
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


@pytest.mark.parametrize("name", ["Content-Type", "content-type"])
async def test_headers_of_the_config_override_the_defaults_except_the_key(name: str) -> None:
    async with server() as taken:
        await sent(
            taken.url, headers={name: "application/vnd.points+json", "idempotency-key": "theirs", "X-A": "b"}
        )
        ((headers, _),) = taken.posts
    names = [(key.lower(), value) for key, value in headers.items()]
    assert [value for key, value in names if key == "content-type"] == ["application/vnd.points+json"]
    assert [value for key, value in names if key == "idempotency-key"] == [MESSAGE.key]
    assert headers["X-A"] == "b"


async def test_a_message_signed_with_several_secrets_verifies_with_each() -> None:
    new, old, other = made_up(), made_up(), made_up()
    async with server() as taken:
        assert await sent(taken.url, secrets=(Secret(new), Secret(old))) == [Sent(204)]
        ((headers, body),) = taken.posts
    for secret in (new, old):
        assert Webhook(secret).verify(body, headers)["text"] == MESSAGE.text
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body + b" ", headers)
    assert headers["webhook-id"] == headers["Idempotency-Key"] == MESSAGE.key


async def test_a_plain_hmac_covers_the_body_and_is_in_the_configured_header() -> None:
    async with server() as taken:
        await sent(
            taken.url,
            secrets=(Secret("any secret"),),
            signature="hmac",
            signature_header="X-Sig",
            headers={"X-A": "b"},
        )
        ((headers, body),) = taken.posts
    assert headers["X-Sig"] == hmac.new(b"any secret", body, hashlib.sha256).hexdigest()
    assert (headers["X-A"], headers["Content-Type"]) == ("b", "application/json")


async def test_without_secrets_nothing_is_signed() -> None:
    async with server() as taken:
        await sent(taken.url)
    assert not {"webhook-signature", "X-Hookline-Signature"} & taken.posts[0][0].keys()


async def test_one_connection_carries_one_post_after_another() -> None:
    async with server() as taken:
        assert await sent(taken.url, *[MESSAGE] * 5) == [Sent(204)] * 5
    assert (len(taken.posts), len(taken.transports)) == (5, 1)


async def test_a_redirect_is_not_followed() -> None:
    async with server() as elsewhere, server(302, {"Location": elsewhere.url}) as taken:
        (outcome,) = await sent(taken.url)
    assert isinstance(outcome, Dead)
    assert (outcome.reason, len(taken.posts), elsewhere.posts) == ("permanent", 1, [])


@pytest.mark.parametrize(
    "secrets",
    [("not base64, you see",), ("whsec_",), ("whsec_%%%%",), ("whsec_\u00e4\u00e4\u00e4",)],
)
async def test_an_unusable_secret_is_reported_immediately(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ChannelError) as caught:
        HttpChannel(HttpSettings(url="http://x", secrets=tuple(map(Secret, secrets))))
    assert caught.value.setting == "secrets"
    assert secrets[0].removeprefix("whsec_") not in str(caught.value) or secrets == ("whsec_",)


@pytest.mark.parametrize("count", [0, 2])
async def test_a_plain_hmac_takes_one_secret(count: int) -> None:
    with pytest.raises(ChannelError):
        HttpChannel(HttpSettings(url="http://x", signature="hmac", secrets=(Secret("12345678"),) * count))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_posts_to_this_machine_are_refused_unless_allowed(host: str) -> None:
    async with server() as taken:
        url = taken.url.replace("127.0.0.1", host)
        (outcome,) = await sent(url, allow_private=False)
    assert taken.posts == []
    assert isinstance(outcome, Dead)
    assert (outcome.reason, outcome.error_class) == ("misconfigured", "PrivateAddressError")
    assert "allow_private" in outcome.error


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "ff02::1",
        "2001:db8::1",
        "168.63.129.16",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::7f00:1",
        "100::1",
        "100:0:0:1::1",
        "2001:0:7f00:1::",
        "2001:2::1",
        "3fff::1",
        "5f00::1",
        "fec0::1",
    ],
)
def test_private_addresses_are_recognized(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "203.0.114.1",
        "168.63.129.17",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
    ],
)
def test_public_addresses_are_recognized(address: str) -> None:
    assert is_public(address)


async def test_a_name_that_resolves_to_nothing_is_tried_again() -> None:
    (outcome,) = await sent("http://no-such-host.invalid/", allow_private=False)
    assert isinstance(outcome, Retry)


def test_secrets_do_not_show() -> None:
    assert "12345678" not in repr(HttpSettings(url="http://x", secrets=(Secret("12345678"),)))
