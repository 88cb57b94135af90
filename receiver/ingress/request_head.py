"""The head of a webhook's request, as its checks need it."""

from __future__ import annotations

from aiohttp import web
from aiohttp.http import RawRequestMessage
from msgspec import Struct
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

Headers = CIMultiDict[str] | CIMultiDictProxy[str]


class RequestHead(Struct, frozen=True, gc=False):
    """The parts of a request that come before its body."""

    method: str
    target: str
    """The path with the query, as it arrived."""

    url: URL
    """The parsed form of `target`."""

    headers: Headers
    peer: str | None
    """The address of the other end of the connection; None if it is closed."""


def head_of(request: web.BaseRequest) -> RequestHead:
    """Return the head of a request that aiohttp handles."""
    return RequestHead(request.method, request.raw_path, request.rel_url, request.headers, request.remote)


def head_in(message: RawRequestMessage, peer: str | None) -> RequestHead:
    """Return the head that aiohttp's parser found."""
    return RequestHead(message.method, message.path, message.url, message.headers, peer)
