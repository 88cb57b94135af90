"""What a page of the inspector is made of: a route, and the values that it answers with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from inspector.http.principal import Principal, Right

API = "/api/"
"""Below it answers are JSON, refusals too, and a bearer token will do."""


class ErrorAnswer(Struct, frozen=True):
    """Why somebody does not get what was asked for; made into a page, or into JSON below /api/."""

    status: int
    text: str
    """A sentence or two for people: what is so, and what mends it."""

    headers: Mapping[str, str] = {}

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase


class ClientRedirect(Struct, frozen=True):
    """A page that leads on by itself. After a link on another site a browser keeps its session back, through all
    redirects; from a page of ours on it sends it along."""

    path: str


Answer = web.StreamResponse | ErrorAnswer | ClientRedirect
Handler = Callable[[web.Request, Principal], Awaitable[Answer]]


class Route(Struct, frozen=True):
    """One address of the inspector. Who lacks the right never gets to the handler."""

    method: str
    path: str
    """As aiohttp writes it: /dead/{id}."""

    handler: Handler
    right: Right = "read"


def is_api(request: web.BaseRequest) -> bool:
    """Whether a program asks, and wants JSON."""
    return request.path.startswith(API)


def is_live(request: web.BaseRequest) -> bool:
    """Whether live.js asks for the changing part of a page, by itself and unseen."""
    return "live" in request.query
