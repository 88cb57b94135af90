"""An HTTP client for one server of others: it returns the status of an answer even where the answer is malformed.

It has no cookies, follows no redirects, and unpacks no answers. It opens connections and parses answers by
aiohttp, but writes requests itself, since nearly everything is the same in each request to a server. aiohttp's
session makes each request anew, from merging headers to a task that writes the body, which takes three times as
long.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.metadata import version
from typing import NamedTuple

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection, SocketFactoryType
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from worker.http.connections import AnswerProtocol, Connector
from worker.http.responses import Head

MAX_ANSWER_BYTES = 64 * 1024

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
"""The caller's time-out covers the whole exchange."""

_FRAMING = frozenset({"content-length", "transfer-encoding"})
"""The headers that say where a request ends. They are written with its body."""

_LOST = (aiohttp.ClientError, OSError)
_BREAK = re.compile("[\r\n\0]")


class BrokenAnswer(aiohttp.ClientError):
    """An answer that aiohttp could not read.

    `head` is its readable part; None where the answer is not HTTP at all.
    """

    def __init__(self, reason: str, head: Head | None) -> None:
        super().__init__(reason)
        self.head = head


class Answer(NamedTuple):
    """The head of an answer, with what is there of its body."""

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    connection: Connection | None
    """The connection on which the rest of the body comes; None where all of it is here."""

    @property
    def is_whole(self) -> bool:
        """True if all of the body is here."""
        return self.connection is None

    def release(self) -> None:
        """Give back the connection. It is used again if all of the request and of the answer went over it."""
        if self.connection is None:
            return
        transport = self.connection.transport
        if transport is not None and transport.get_write_buffer_size():
            self.connection.close()
        else:
            self.connection.release()

    async def read(self, *, wait_s: float) -> bytes:
        """Read up to 64 KB of the body within this time, and release. Never raises for what the server does."""
        content, found = self.content, bytearray()
        if self.connection is None:
            return content.read_nowait(MAX_ANSWER_BYTES)
        try:
            async with asyncio.timeout(wait_s):
                while len(found) < MAX_ANSWER_BYTES and not content.at_eof():
                    found += await content.read(MAX_ANSWER_BYTES - len(found))
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass
        finally:
            self.release()
        return bytes(found)


class _CommonRequest(aiohttp.ClientRequest):
    """The common part of all requests to a server. It is never sent: it says where connections lead."""

    @cached_property
    def connection_key(self) -> ConnectionKey:
        """The key by which connections are kept. aiohttp would make it anew for each request."""
        return super().connection_key


class Client:
    """Sends requests to one server.

    Must be created in the running event loop that will use it.
    """

    def __init__(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        concurrency: int,
        proxy: URL | None,
        tls: ssl.SSLContext | None = None,
        socket_factory: SocketFactoryType | None = None,
    ) -> None:
        """url: of the server, with a user and password where it asks for them; headers: of each request; tls: None
        to trust the system's certificates.
        """
        self._connector = Connector(concurrency=concurrency, tls=tls, socket_factory=socket_factory)
        self._common = _CommonRequest(
            method, url, headers=_with_user_agent(headers), proxy=proxy, loop=asyncio.get_running_loop()
        )
        is_forwarded = proxy is not None and url.scheme == "http"  # by the proxy, which reads the request
        self._start = f"{method} {url.origin() if is_forwarded else ''}"
        self._headers = list(self._common.headers.items())
        if proxy and is_forwarded and (proxy.user or proxy.password):
            login = aiohttp.encode_basic_auth(proxy.user or "", proxy.password or "")
            self._headers.append(("Proxy-Authorization", login))
        self._heads: dict[tuple[str, ...], str] = {}

    async def send(self, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send a request, and wait for the head of its answer. target: path and query, encoded.

        headers: they replace those of all requests, and always have the same names or few combinations of them.
        Raises BrokenAnswer, ClientError and OSError, and ValueError for a header that would break the head.
        """
        request = self._request_bytes(target, headers, body)
        while True:
            connection = await self._connector.connect(self._common, [], _NO_TIMEOUT)
            protocol, transport = connection.protocol, connection.transport
            assert isinstance(protocol, AnswerProtocol)
            if transport is not None and not protocol.is_out_of_step():
                break
            connection.close()
        try:
            protocol.expect_answer()
            transport.write(request)
            while True:
                message, content = await protocol.read()
                if message.code >= 200 or message.code == 101:
                    break
        except BaseException as error:
            head = protocol.head()
            connection.close()
            if isinstance(error, asyncio.CancelledError):
                error.args = (head,)  # for `head_in_time`
            if isinstance(error, HttpProcessingError) or (head and isinstance(error, _LOST)):
                raise BrokenAnswer(_reason(error), head) from error
            raise
        protocol.received = None
        if content.is_eof() and not transport.get_write_buffer_size():
            # Nearly every answer: all of it is here, so that its connection can be given back already.
            connection.release()
            return Answer(message.code, message.headers, content, None)
        return Answer(message.code, message.headers, content, connection)

    async def close(self) -> None:
        """Close the connections to the server."""
        await self._connector.close()

    def _request_bytes(self, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        names = tuple(headers)
        common = self._heads.get(names)
        if common is None:
            common = self._heads[names] = self._common_head(names)
        lines = ""
        for name, value in headers.items():
            if _BREAK.search(value):
                raise ValueError(f"the header {name} would have a line break")
            lines += f"{name}: {value}\r\n"
        if body is not None:
            lines += f"Content-Length: {len(body)}\r\n"
        return f"{self._start}{target} HTTP/1.1\r\n{common}{lines}\r\n".encode() + (body or b"")

    def _common_head(self, names: tuple[str, ...]) -> str:
        """The lines that are the same in each request whose own headers have these names."""
        left_out = _FRAMING | {name.lower() for name in names}
        kept = [(name, value) for name, value in self._headers if name.lower() not in left_out]
        if any(map(_BREAK.search, (text for header in kept for text in header))):
            raise ValueError("a configured header has a line break")
        return "".join(f"{name}: {value}\r\n" for name, value in kept)


def head_in_time(error: TimeoutError) -> Head | None:
    """The part of the head that was received before the time-out; None where the status is not known."""
    cancelled = error.__cause__
    if isinstance(cancelled, asyncio.CancelledError) and cancelled.args and isinstance(cancelled.args[0], Head):
        return cancelled.args[0]
    return None


def certificate_error(error: BaseException) -> str:
    """Why a server's certificate is not trusted; "" for any other error."""
    found = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    if isinstance(found, ssl.SSLCertVerificationError):
        return f"certificate: {found.verify_message or found.reason}"
    return ""


@cache
def user_agent() -> str:
    """The value of the header, such as `Hookline/1.2.3`."""
    return f"Hookline/{version('hookline')}"


def _with_user_agent(headers: Mapping[str, str]) -> Mapping[str, str]:
    if any(name.lower() == "user-agent" for name in headers):
        return headers
    return {"User-Agent": user_agent(), **headers}


def _reason(error: BaseException) -> str:
    """The first line of the parser's message: the others quote the answer."""
    text = error.message if isinstance(error, HttpProcessingError) else str(error)
    return text.partition("\n")[0].strip(" :,") or type(error).__name__
