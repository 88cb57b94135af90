"""POSTs notifications as JSON."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
from aiohttp.connector import AddrInfoType
from msgspec import Struct
from yarl import URL

from sources.written_number import as_json
from worker.channels.errors import ChannelError
from worker.channels.public_addresses import PrivateAddressError, is_private_host, is_public
from worker.channels.settings import HttpSettings
from worker.channels.shared_timeout import SharedTimeout
from worker.channels.signing import signer
from worker.channels.tls import client_tls
from worker.http.client import BrokenAnswer, Client, certificate_error, head_in_time
from worker.http.responses import PASSING, retry_after_s
from worker.http.urls import proxy_for, url_as_written
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.rules.render import Message

_SHOWN_ANSWER = 200

_MAX_BODY_WAIT_S = 1.0
"""Longest wait in seconds for the body of an answer whose status is known: it only adds to the text of errors."""

_encode = msgspec.json.Encoder(enc_hook=as_json).encode


class HttpChannel:
    """Sends to one URL. Keeps its connections; at most `concurrency` requests at a time.

    Raises ChannelError for settings that cannot work: the URL, secrets that cannot sign, certificates.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self.retry = settings.retry
        url = _url(settings.url)
        proxy = _proxy(url, settings)
        self._sign = signer(settings)
        self._target = url.raw_path_qs
        self._client = Client(
            "POST",
            url,
            headers=_with_content_type(settings.headers),
            concurrency=settings.concurrency,
            proxy=proxy,
            tls=_tls(settings),
            socket_factory=None if settings.allow_private or proxy else _public_socket,
        )
        self._timeout = SharedTimeout(settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """POST a message. Its key is in the header `Idempotency-Key` and in the body, the same at every attempt.

        The outcome depends on the status of the answer, even if the rest of the answer is incomplete.
        """
        body = posted(message)
        headers = {"Idempotency-Key": message.key, **self._sign(message.key, body)}
        if message.traceparent:
            headers["traceparent"] = message.traceparent
        try:
            with self._timeout:
                answer = await self._client.send(self._target, headers, body)
        except TimeoutError as error:
            head = head_in_time(error)
            if head is not None:
                return outcome_of(head.status, head.headers, head.rest)
            return Retry(error=f"no answer within {self._timeout.s:g} s", error_class="TimeoutError")
        except BrokenAnswer as error:
            return _broken(error)
        except (aiohttp.ClientError, OSError) as error:
            return _unanswered(error)
        if answer.is_whole and 200 <= answer.status < 300:
            return Sent(answer.status)  # nearly every answer: its body changes nothing
        shown = await answer.read(wait_s=min(self._timeout.s, _MAX_BODY_WAIT_S))
        return outcome_of(answer.status, answer.headers, shown)

    async def close(self) -> None:
        """Close the connections to the server."""
        self._timeout.close()
        await self._client.close()


def _url(text: str) -> URL:
    try:
        return url_as_written(text)
    except ValueError as error:
        raise ChannelError("url", f"not a URL: {error}") from None


def _proxy(url: URL, settings: HttpSettings) -> URL | None:
    """The proxy for a URL, if there is one. The proxy resolves host names, so only addresses are checked here."""
    try:
        proxy = proxy_for(url)
    except ValueError as error:
        raise ChannelError("url", str(error)) from None
    if proxy and not settings.allow_private and is_private_host(url.host or ""):
        raise ChannelError("url", str(PrivateAddressError()))
    return proxy


def _tls(settings: HttpSettings) -> ssl.SSLContext | None:
    files = {name: getattr(settings, name) for name in ("ca_file", "cert_file", "key_file")}
    return client_tls(**files) if any(files.values()) else None


def _broken(answer: BrokenAnswer) -> Outcome:
    """The outcome of an answer that is not valid HTTP: by its status, where that is readable."""
    if answer.head is not None:
        return outcome_of(answer.head.status, answer.head.headers, answer.head.rest)
    return Retry(error=f"the answer is not HTTP: {answer}", error_class="NotHttp")


def _unanswered(error: aiohttp.ClientError | OSError) -> Outcome:
    """The outcome where no answer came. Nearly all such errors may pass: an expired certificate is replaced."""
    if isinstance(error.__cause__, PrivateAddressError):
        return Dead(reason="misconfigured", error=str(error.__cause__), error_class="PrivateAddressError")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Retry(error=f"the proxy answered {error.status}", error_class="ClientHttpProxyError")
    text = certificate_error(error) or str(error) or type(error).__name__
    return Retry(error=text, error_class=type(error).__name__)


def _with_content_type(headers: dict[str, str]) -> dict[str, str]:
    if any(name.lower() == "content-type" for name in headers):
        return headers
    return {"Content-Type": "application/json", **headers}


def _public_socket(address: AddrInfoType) -> socket.socket:
    """A socket for an address, which must be public. Checked at connecting, when the name is already resolved."""
    family, kind, protocol, _, (host, *_) = address
    if not is_public(str(host)):
        raise PrivateAddressError
    return socket.socket(family, kind, protocol)


class _Posted(Struct, omit_defaults=True):
    """The fields of the JSON body, in this order."""

    key: str
    rule: str
    source: str
    event: str
    attempt: int
    text: str
    data: Any
    to: str = ""
    subject: str = ""


def posted(message: Message) -> bytes:
    """The JSON body for a message, in one line; with `to` and `subject` where its rule has them."""
    json = message.data_json.replace(b"\n", b" ")  # between its values: within a string there are none
    body = _Posted(
        message.key,
        message.rule,
        message.source,
        message.event,
        message.attempt,
        message.text,
        msgspec.Raw(json) if json else message.data,
        message.to,
        message.subject,
    )
    return _encode(body)


def outcome_of(status: int, headers: Mapping[str, str], answer: bytes) -> Outcome:
    """The outcome of an HTTP answer: sent for 2xx, retried for `PASSING` and 5xx, permanent for all others."""
    if 200 <= status < 300:
        return Sent(status)
    shown = answer[:_SHOWN_ANSWER].decode("utf-8", "replace")
    if status in PASSING or status >= 500:
        wait = retry_after_s(headers, now_s=time.time())
        return Retry(
            error=f"answered {status}",
            error_class=f"Http{status}",
            retry_after_s=wait,
            answer=shown,
            status=status,
        )
    return Dead(
        reason="permanent", error=f"answered {status}", error_class=f"Http{status}", answer=shown, status=status
    )
