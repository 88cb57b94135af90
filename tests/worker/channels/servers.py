"""Real servers to notify: an SMTP server that a test controls, and servers with deliberate faults."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from worker.channels.email.channel import EmailChannel

Open = Callable[..., EmailChannel]
"""(port, settings) -> an e-mail channel to this machine."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

USER, PASSWORD = "hookline", "correct horse"


class Mailbox:
    """Accepts every e-mail, unless `answers` has another answer for the command."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.once: list[str] = []
        """Answers to the next MAIL commands."""
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.connections: list[asyncio.Transport] = []
        self.logins: list[str] = []

    @property
    def mails(self) -> list[EmailMessage]:
        return [email.message_from_bytes(raw, EmailMessage, policy=email.policy.default) for raw in self.raw]

    async def handle_MAIL(  # noqa: N802 - the name is aiosmtpd's
        self, _server: Any, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.once:
            return self.once.pop(0)
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.recipients.extend(envelope.rcpt_tos)
        return "250 OK"

    def login(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append(given.login.decode())
        return AuthResult(
            success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()), handled=False
        )


class _Counted(SMTP):
    def __init__(self, mailbox: Mailbox, **options: Any) -> None:
        super().__init__(mailbox, **options)
        self._mailbox = mailbox

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._mailbox.connections.append(transport)


class SmtpServer:
    """`port`, what it got in `box`."""

    def __init__(self, box: Mailbox, port: int) -> None:
        self.box = box
        self.port = port


@asynccontextmanager
async def smtp_server(tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[SmtpServer]:
    """`tls`: encrypted from the first byte. Options as aiosmtpd's SMTP has them."""
    box = Mailbox()
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        with warnings.catch_warnings():  # aiosmtpd does not recognize TLS from the first byte
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
            return _Counted(box, hostname="mail.test", loop=loop, authenticator=box.login, **options)

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)
    try:
        yield SmtpServer(box, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for transport in box.connections:
            transport.abort()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """The port of a server that treats each connection like this."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def closed_port() -> int:
    """A port where no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 what is this\r\n\r\n")
    writer.close()


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def certificates() -> tuple[trustme.CA, ssl.SSLContext]:
    """An authority, and a server's TLS with its certificate for localhost."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return authority, context
