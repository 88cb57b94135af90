"""E-mails to a real SMTP server, and to servers that fail in every way."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from sources.secret import Secret
from tests.worker.channels.servers import (
    PASSWORD,
    USER,
    Open,
    certificates,
    closed_port,
    garbage,
    reset,
    serving,
    silence,
    smtp_server,
)
from worker.channels.email.channel import EmailChannel
from worker.channels.errors import ChannelError
from worker.channels.settings import EmailSettings
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

MESSAGE = Message(
    key="0123456789abcdef0123456789abcdef",
    rule="points",
    source="voucherify",
    event="points_added",
    text="40 points added.\n.\nYour balance: 2641 \u2014 well done",
    data={},
    to="Nadia <nadia@example.com>",
    subject="Points for you",
)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    """(file of the authority's certificate, the server's side)"""
    authority, context = certificates()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    yield str(path), context


def but(**changes: Any) -> Message:
    fields = {name: getattr(MESSAGE, name) for name in MESSAGE.__struct_fields__}
    return Message(**(fields | changes))


def assert_retry(outcome: Outcome) -> None:
    assert isinstance(outcome, Retry), outcome


def assert_dead(outcome: Outcome, reason: str) -> Dead:
    assert isinstance(outcome, Dead), outcome
    assert outcome.reason == reason, outcome
    return outcome


async def test_an_email_has_text_and_html_and_the_headers_that_mail_wants(channel: Open) -> None:
    async with smtp_server() as server:
        unsubscribe = "https://shop.example/unsubscribe?who={to}&" + "x" * 100
        sent = await channel(server.port, unsubscribe=unsubscribe).send(but(html="<p>40 &mdash; done</p>"))
        (mail,), (raw,) = server.box.mails, server.box.raw
    assert sent == Sent()
    assert server.box.recipients == ["nadia@example.com"]
    assert mail["From"] == "The Shop <shop@example.com>"
    assert (mail["To"], mail["Subject"]) == ("Nadia <nadia@example.com>", "Points for you")
    assert mail["Message-ID"] == f"<{MESSAGE.key}@example.com>"
    assert mail["Date"].datetime.tzinfo is not None
    address = unsubscribe.replace("{to}", "nadia%40example.com")
    assert f"\r\nList-Unsubscribe: <{address}>\r\n".encode() in raw
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain, html = mail.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_content().splitlines() == MESSAGE.text.splitlines()
    assert "<p>40" in html.get_content()
    assert raw.isascii()


async def test_without_html_it_is_plain_text_and_without_text_it_is_html(channel: Open) -> None:
    async with smtp_server() as server:
        opened = channel(server.port)
        assert await opened.send(MESSAGE) == Sent()
        assert await opened.send(but(text="", html="<b>x</b>")) == Sent()
        assert [mail.get_content_type() for mail in server.box.mails] == ["text/plain", "text/html"]
        assert "List-Unsubscribe" not in server.box.mails[0]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_4xx_is_tried_again_and_5xx_is_permanent(channel: Open, command: str) -> None:
    async with smtp_server() as server:
        opened = channel(server.port)
        server.box.answers[command] = "451 nadia@example.com is greylisted"
        later = await opened.send(MESSAGE)
        server.box.answers[command] = "550 5.1.1 nadia@example.com unknown"
        never = assert_dead(await opened.send(MESSAGE), "permanent")
    assert isinstance(later, Retry)
    assert (later.error, "greylisted" in later.answer) == ("the server answered 451", True)
    assert (never.error, "unknown" in never.answer) == ("the server answered 550", True)


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("550 5.4.5 Daily user sending quota exceeded", True),
        ("552 5.2.2 Mailbox full", True),
        ("452 4.2.2 Mailbox full", True),
        ("552 Requested mail action aborted: exceeded storage allocation", True),
        ("550 5.7.1 Rate limit exceeded, try again later", True),
        ("554 5.7.233 You sent too many messages", True),
        ("552 5.3.4 Message size exceeds fixed maximum", False),
        ("550 5.7.1 Message rejected as spam, strategies of yours are known", False),
        ("550 5.1.1 User unknown", False),
        ("550 No such user, 5.2.2 is not meant", False),
        ("554 5.7.1 Service unavailable, moderate your rates", False),
    ],
)
@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_full_mailbox_and_an_exceeded_quota_are_retried(
    channel: Open, command: str, answer: str, passes: bool
) -> None:
    async with smtp_server() as server:
        server.box.answers[command] = answer
        outcome = await channel(server.port).send(MESSAGE)
    assert isinstance(outcome, Retry if passes else Dead), outcome
    assert outcome.error == f"the server answered {answer[:3]}"


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_the_connection_is_encrypted_and_authenticated(
    channel: Open, tls: tuple[str, ssl.SSLContext], security: str
) -> None:
    ca_file, context = tls
    options: dict[str, Any] = {"tls": context} if security == "tls" else {"tls_context": context}
    login = {"username": USER, "password": Secret(PASSWORD), "security": security, "ca_file": ca_file}
    async with smtp_server(auth_required=True, auth_require_tls=security == "starttls", **options) as server:
        assert await channel(server.port, **login).send(MESSAGE) == Sent()
        assert server.box.logins == [USER]
        login["password"] = Secret("wrong horse")
        refused = assert_dead(await channel(server.port, **login).send(MESSAGE), "misconfigured")
        assert_dead(await channel(server.port, security=security, ca_file=ca_file).send(MESSAGE), "misconfigured")
    assert "wrong horse" not in str(refused)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_an_untrusted_certificate_is_retried(
    channel: Open, tls: tuple[str, ssl.SSLContext], tmp_path: Path, security: str
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    options: dict[str, Any] = {"tls": tls[1]} if security == "tls" else {"tls_context": tls[1]}
    async with smtp_server(**options) as server:
        for trusted in ({"ca_file": str(other)}, {}, {"ca_file": tls[0], "host": "127.0.0.1"}):
            outcome = await channel(server.port, security=security, **trusted).send(MESSAGE)
            assert isinstance(outcome, Retry), outcome
            assert outcome.error.startswith("certificate: ")
        assert server.box.raw == []


async def test_a_server_without_starttls_or_login_is_misconfigured(channel: Open) -> None:
    async with smtp_server() as server:
        assert_dead(await channel(server.port, security="starttls").send(MESSAGE), "misconfigured")
        login = {"username": USER, "password": Secret(PASSWORD)}
        assert_dead(await channel(server.port, **login).send(MESSAGE), "misconfigured")
        assert server.box.raw == []


@pytest.mark.parametrize(
    "to",
    [
        "",
        " ",
        "nadia",
        "a@example.com, b@example.com",
        "a@example.com\nBcc: b@example.com",
        "a b@c.de",
        "@x.de",
        "a@b.c;d@e.f",
    ],
)
async def test_an_invalid_recipient_is_permanent_and_is_not_shown(channel: Open, to: str) -> None:
    async with smtp_server() as server:
        dead = assert_dead(await channel(server.port).send(but(to=to)), "permanent")
        assert (server.box.raw, server.box.connections) == ([], [])
    assert not to.strip() or to not in dead.error


async def test_the_default_recipient_gets_notifications_without_one(channel: Open) -> None:
    async with smtp_server() as server:
        opened = channel(server.port, to="Team <team@example.com>")
        assert await opened.send(but(to="", subject="")) == Sent()
        assert await opened.send(MESSAGE) == Sent()
        assert server.box.recipients == ["team@example.com", "nadia@example.com"]
        assert server.box.mails[0]["Subject"] == "points: points_added"


async def test_a_subject_cannot_add_a_header(channel: Open) -> None:
    async with smtp_server() as server:
        assert await channel(server.port).send(but(subject="Hi\r\nBcc: evil@example.com\n\ud800")) == Sent()
        (mail,) = server.box.mails
    assert (mail["Subject"], mail["Bcc"]) == ("Hi Bcc: evil@example.com", None)


async def test_addresses_beyond_ascii_reach_servers_that_take_them(channel: Open) -> None:
    async with smtp_server(enable_SMTPUTF8=True) as able, smtp_server() as unable:
        assert await channel(able.port).send(but(to="jürgen@bücher.example")) == Sent()
        assert able.box.recipients == ["jürgen@xn--bcher-kva.example"]
        assert await channel(unable.port).send(but(to="Jürgen <j@bücher.example>")) == Sent()
        assert_dead(await channel(unable.port).send(but(to="jürgen@example.com")), "permanent")


async def test_temporary_failures_of_servers_are_retried(channel: Open) -> None:
    assert_retry(await channel(closed_port()).send(MESSAGE))
    assert_retry(await channel(25, host="no-such-host.invalid").send(MESSAGE))
    for handler in (garbage, reset):
        async with serving(handler) as port:
            assert_retry(await channel(port).send(MESSAGE))
    async with serving(silence) as port:
        outcome = await channel(port, timeout_s=0.2).send(MESSAGE)
        assert_retry(outcome)


async def test_a_server_that_refuses_the_connection(channel: Open) -> None:
    for greeting, is_final in ((b"421 busy\r\n", False), (b"554 go away\r\n", True)):

        async def greet(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, greeting: bytes = greeting
        ) -> None:
            writer.write(greeting)
            await reader.read()
            writer.close()

        async with serving(greet) as port:
            outcome = await channel(port).send(MESSAGE)
        if is_final:
            assert_dead(outcome, "misconfigured")
        else:
            assert_retry(outcome)


def test_invalid_settings_are_reported_immediately(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for setting, value in (
        ("sender", "a@b.c, d@e.f"),
        ("to", "team"),
        ("ca_file", "/nowhere.pem"),
        ("ca_file", str(tmp_path / "empty.pem")),
    ):
        with pytest.raises(ChannelError) as caught:
            EmailChannel(EmailSettings(**({"host": "h", "sender": "a@b.c"} | {setting: value})))
        assert caught.value.setting == setting
