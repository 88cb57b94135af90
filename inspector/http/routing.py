"""The routes of the inspector, and the values that their handlers return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from inspector.http.principal import Principal, Right

API = "/api/"
"""Path of the API. Below it, all responses are JSON, errors too, and a bearer token is accepted."""


class ErrorAnswer(Struct, frozen=True):
    """An error response, which becomes a page, or JSON below /api/."""

    status: int
    text: str
    """A sentence or two: what is wrong, and how to fix it."""

    headers: Mapping[str, str] = {}
    back: str = ""
    """The page to go back to. Defaults to the page of the navigation that the address belongs to."""

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase


class ClientRedirect(Struct, frozen=True):
    """A page that redirects by itself.

    After a link on another web site a browser does not send the session cookie, through all HTTP redirects. It
    sends the cookie with a request that comes from a page of the inspector.
    """

    path: str


Answer = web.StreamResponse | ErrorAnswer | ClientRedirect
Handler = Callable[[web.Request, Principal], Awaitable[Answer]]


class Route(Struct, frozen=True):
    """An address of the inspector. Its handler is called only for users with the right."""

    method: str
    path: str
    """Path in the syntax of aiohttp: /dead/{id}."""

    handler: Handler
    right: Right = "read"


def is_api(request: web.BaseRequest) -> bool:
    """Return whether a request is for the API, so that the response is JSON."""
    return request.path.startswith(API)


def is_live(request: web.BaseRequest) -> bool:
    """Return whether live.js sent this request for the changing part of a page, without an action of the user."""
    return "live" in request.query
