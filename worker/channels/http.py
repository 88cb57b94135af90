"""POSTs notifications as JSON."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec
from aiohttp.connector import AddrInfoType
from msgspec import Struct

from worker.channels.addresses import PrivateAddressError, is_public
from worker.channels.patience import Patience
from worker.channels.settings import HttpSettings
from worker.channels.signing import signer
from worker.outcome import Dead, Outcome, Retry, Sent
from worker.render import Message

PASSING = frozenset({408, 425, 429})
"""The 4xx that another try may change (RFC 9110, RFC 8470, RFC 6585); so may every 5xx."""

_MAX_ANSWER_BYTES = 64 * 1024
_SHOWN_ANSWER = 200

_encode = msgspec.json.Encoder().encode


class HttpChannel:
    """One URL. Keeps its connections; at most `concurrency` requests at a time.

    Raises ChannelError where its secrets are none that can sign.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self.retry = settings.retry
        self._url = settings.url
        self._sign = signer(settings)
        self._session = aiohttp.ClientSession(
            headers=_with_content_type(settings.headers),
            connector=aiohttp.TCPConnector(
                limit=settings.concurrency, socket_factory=None if settings.allow_private else _public_socket
            ),
            timeout=aiohttp.ClientTimeout(total=None),  # ours covers the whole exchange
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        self._patience = Patience(settings.timeout_s)

    async def send(self, message: Message) -> Outcome:
        """POST it; the key goes as `Idempotency-Key` and in the body, the same at every try."""
        body = posted(message)
        headers = {"Idempotency-Key": message.key, **self._sign(message.key, body)}
        data = aiohttp.BytesPayload(body)  # of plain bytes aiohttp would look for long what kind of body they are
        try:
            with self._patience:
                response = await self._session.post(self._url, data=data, headers=headers, allow_redirects=False)
                try:
                    content = response.content
                    answer = b"" if content.at_eof() else await content.read(_MAX_ANSWER_BYTES)
                finally:
                    if not response.closed:  # its answer was not read to its end: the connection is closed
                        response.release()
                return outcome_of(response.status, response.headers, answer)
        except TimeoutError:
            return Retry(error=f"no answer within {self._patience.s:g} s", error_class="TimeoutError")
        except aiohttp.InvalidURL as error:
            return Dead(reason="misconfigured", error=f"invalid URL: {error}", error_class="InvalidURL")
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error.__cause__, PrivateAddressError):
                return Dead(reason="misconfigured", error=str(error.__cause__), error_class="PrivateAddressError")
            return Retry(error=str(error) or type(error).__name__, error_class=type(error).__name__)

    async def close(self) -> None:
        """Close the connections."""
        self._patience.close()
        await self._session.close()


def _with_content_type(headers: Mapping[str, str]) -> Mapping[str, str]:
    if any(name.lower() == "content-type" for name in headers):
        return headers
    return {"Content-Type": "application/json", **headers}


def _public_socket(address: AddrInfoType) -> socket.socket:
    """A socket for the address that is about to be connected to. Here no name resolves to another one any more."""
    family, kind, protocol, _, (host, *_) = address
    if not is_public(str(host)):
        raise PrivateAddressError
    return socket.socket(family, kind, protocol)


class _Posted(Struct, omit_defaults=True):
    """What a POST tells, in this order."""

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
    """The JSON body that tells a message, in one line; `to` and `subject` where its rule has them."""
    json = message.data_json.replace(b"\n", b" ")  # between its values: within a string there are none
    told = _Posted(
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
    return _encode(told)


def outcome_of(status: int, headers: Mapping[str, str], answer: bytes) -> Outcome:
    """What an HTTP answer means: 2xx sent; 408, 425, 429 and 5xx again later; all else permanent."""
    if 200 <= status < 300:
        return Sent()
    shown = answer[:_SHOWN_ANSWER].decode("utf-8", "replace")
    if status in PASSING or status >= 500:
        wait = retry_after_s(headers.get("Retry-After", ""), now_s=time.time())
        return Retry(error=f"answered {status}", error_class=f"Http{status}", retry_after_s=wait, answer=shown)
    return Dead(reason="permanent", error=f"answered {status}", error_class=f"Http{status}", answer=shown)


def retry_after_s(value: str, *, now_s: float) -> float:
    """Seconds that a Retry-After header (seconds or HTTP date, RFC 9110) asks for; 0 for none or nonsense."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now_s, UTC)).total_seconds())
