"""E-mails as they are on the wire: what a payload holds is text there, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from tests.worker.channels.email.test_email import assert_dead, but
from tests.worker.channels.servers import Open, serving, smtp_server
from worker.outcome import Sent


@pytest.mark.parametrize(
    ("to", "recipient"),
    [
        ("ada..b@docomo.example.jp", '"ada..b"@docomo.example.jp'),
        ("ada.@docomo.example.jp", '"ada."@docomo.example.jp'),
        ('"a b"@example.com', '"a b"@example.com'),
        ("\ufeffada@example.com", "ada@example.com"),
        ("Ada <\u200bada@example.com\u200b>", "ada@example.com"),
        ("ada@fa\u00df.de", "ada@xn--fa-hia.de"),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ("ada@[192.0.2.1]", "ada@[192.0.2.1]"),
    ],
)
async def test_odd_addresses_reach_the_server_as_it_wants_them(channel: Open, to: str, recipient: str) -> None:
    lines: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while line := await reader.readline():
            lines.append(line)
            writer.write(b"550 no\r\n" if line.startswith(b"RCPT") else b"250 ok\r\n")
        writer.close()

    async with serving(listen) as port:
        assert_dead(await channel(port).send(but(to=to)), "permanent")
    assert [line for line in lines if line.startswith(b"RCPT")] == [f"RCPT TO:<{recipient}>\r\n".encode()]


async def test_encoded_words_of_a_payload_are_text_on_the_wire(channel: Open) -> None:
    name = "x =?utf-8?q?=0D=0ABcc:_victim=40example.org=0D=0A=0D=0A<h1>call?= y"
    async with smtp_server() as server:
        sent = await channel(server.port).send(but(subject=f"Hi {name}", to=f"{name} <nadia@example.com>"))
        (mail,), (raw,) = server.box.mails, server.box.raw
    assert sent == Sent()
    assert mail.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"
    ]  # fmt: skip
    assert mail["Subject"] == f"Hi {name}"
    assert [address.addr_spec for address in mail["To"].addresses] == ["nadia@example.com"]
    assert b"\nbcc" not in raw.lower()
    assert server.box.recipients == ["nadia@example.com"]


async def test_a_body_has_no_nul_and_no_lone_carriage_return(channel: Open) -> None:
    async with smtp_server() as server:
        assert await channel(server.port).send(but(text="Ada\0\rand\r\nEve", html="<p>Ada\0\r</p>")) == Sent()
        (mail,), (raw,) = server.box.mails, server.box.raw
    assert b"\0" not in raw
    assert b"\r" not in raw.replace(b"\r\n", b"")
    plain, html = mail.iter_parts()
    assert plain.get_content().splitlines() == ["Ada\ufffd", "and", "Eve"]
    assert "Ada\ufffd" in html.get_content()
