"""An aiohttp client for servers of others: it returns the status of an answer even where the answer is malformed.

aiohttp's parser refuses answers because of details that do not change their meaning (two equal Content-Length
headers, a body after 204), and then the status is lost. Here the bytes of the head are kept until the parser has
read them.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache, partial
from importlib.metadata import version
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection, SocketFactoryType
from yarl import URL

from worker.http.responses import Head, head_of

MAX_ANSWER_BYTES = 64 * 1024

_MAX_HEAD_BYTES = 64 * 1024
"""Longest head, and longest line: gateways send long Content-Security-Policy and Set-Cookie headers."""

_MAX_HEADERS = 1000
_MAX_BODY_WAIT_S = 1.0
"""Longest wait in seconds for the body of an answer whose status is known: it only adds to the text of errors."""

_AS_WRITTEN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%")


class BrokenAnswer(aiohttp.ClientError):
    """An answer that aiohttp could not read.

    `head` is its readable part; None where the answer is not HTTP at all.
    """

    def __init__(self, reason: str, head: Head | None) -> None:
        super().__init__(reason)
        self.head = head


class _Protocol(ResponseHandler):
    """Keeps the bytes of an answer until its head is read."""

    received: bytes | None = None
    _received_for: object = None

    def data_received(self, data: bytes) -> None:
        # aiohttp makes a new parser for each request. Overriding the method that makes it costs more than this.
        if self._parser is not self._received_for:
            self._received_for, self.received = self._parser, b""
        received = self.received
        if received is not None and len(received) < _MAX_HEAD_BYTES:
            self.received = received + data
        ResponseHandler.data_received(self, data)  # every answer comes here, and `super()` costs more

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._received_for = None  # a parser refers to its protocol: a cycle that would keep both


class _Response(aiohttp.ClientResponse):
    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        try:
            await aiohttp.ClientResponse.start(self, connection)  # `super()` costs more, see `data_received`
        except asyncio.CancelledError as error:
            error.args = (_head(protocol),)  # for `head_in_time`
            raise
        except (aiohttp.ClientError, OSError) as error:
            head = _head(protocol)
            if head is not None or isinstance(error, aiohttp.ClientResponseError):
                raise BrokenAnswer(_reason(error), head) from error
            raise
        if isinstance(protocol, _Protocol):
            protocol.received = None
        return self


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        factory: Any = partial(_Protocol, loop=self._loop)
        self._factory = factory  # aiohttp has no public setting for it


def open_session(
    *,
    headers: dict[str, str],
    concurrency: int,
    proxy: URL | None,
    tls: ssl.SSLContext | None = None,
    socket_factory: SocketFactoryType | None = None,
) -> aiohttp.ClientSession:
    """Open a session without time-outs, cookies and decompression; tls: None to trust the system's certificates.

    Must be called in the running event loop that will use it.
    """
    return aiohttp.ClientSession(
        headers=with_user_agent(headers),
        connector=_Connector(limit=concurrency, ssl=tls or True, socket_factory=socket_factory),
        response_class=_Response,
        timeout=aiohttp.ClientTimeout(total=None),  # the caller's covers the whole exchange
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        proxy=proxy,
        max_line_size=_MAX_HEAD_BYTES,
        max_field_size=_MAX_HEAD_BYTES,
        max_headers=_MAX_HEADERS,
    )


def with_user_agent(headers: dict[str, str]) -> dict[str, str]:
    """The headers, with Hookline's `User-Agent` where they have none."""
    if any(name.lower() == "user-agent" for name in headers):
        return headers
    return {"User-Agent": user_agent(), **headers}


@cache
def user_agent() -> str:
    """The value of the header, such as `Hookline/1.2.3`."""
    return f"Hookline/{version('hookline')}"


def url_as_written(text: str) -> URL:
    """The URL, sent byte for byte as it is written; only characters that no URL may have are quoted.

    Raises ValueError.
    """
    url = URL(text, encoded=_AS_WRITTEN.issuperset(text))
    if not url.host:
        raise ValueError("it has no host")
    return url


def proxy_for(url: URL) -> URL | None:
    """The proxy that the environment names for a URL (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY).

    Raises ValueError for a proxy that cannot be used; its text does not show the proxy.
    """
    if proxy_bypass(url.host or ""):
        return None
    proxies = getproxies()
    text = proxies.get(url.scheme) or proxies.get("all")
    if not text:
        return None
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise ValueError(f"the proxy of the environment for {url.scheme} is not http://host:port")
    return proxy


async def body_of(response: aiohttp.ClientResponse, *, wait_s: float = _MAX_BODY_WAIT_S) -> bytes:
    """Read up to 64 KB of a body within a short time. Never raises for what the server does.

    Releases the connection, which is used again if the whole body was read.
    """
    content, found = response.content, bytearray()
    if response.closed and content.exception() is None:
        # Nearly every answer: it came whole, so that its connection is given back already, and no timer is needed.
        return content.read_nowait(MAX_ANSWER_BYTES)
    try:
        async with asyncio.timeout(min(wait_s, _MAX_BODY_WAIT_S)):
            while len(found) < MAX_ANSWER_BYTES and not content.at_eof():
                found += await content.read(MAX_ANSWER_BYTES - len(found))
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    finally:
        response.release()
    return bytes(found)


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


def _head(protocol: ResponseHandler | None) -> Head | None:
    received = protocol.received if isinstance(protocol, _Protocol) else None
    return head_of(received) if received else None


def _reason(error: Exception) -> str:
    """The first line of the parser's message: the others quote the answer."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return text.partition("\n")[0].strip(" :,") or type(error).__name__
