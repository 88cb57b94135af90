"""What an operation of the API is, and how its request is read: strictly, and told of in one sentence if wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from inspector.http.app_context import AppContext
from inspector.http.principal import Principal, Right
from inspector.http.routing import API, Answer, ErrorAnswer, Handler, Route

BASE = f"{API}v1"
MAX_BODY_BYTES = 1024 * 1024
"""Of a request: 10,000 ids, or a large webhook as base64."""

_BODY_S = 5.0
_JSON = "application/json"


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No fields: `{}`."""


class Asked(Struct, frozen=True, kw_only=True):
    """A request that is sound."""

    principal: Principal
    name: str
    """What stands in the path: an id or a name; "" where the path has none."""

    query: Any
    """Of the operation's `query` type."""

    body: Any
    """Of the operation's `body` type; None for a GET."""


class Operation(Struct, frozen=True, kw_only=True):
    """One operation. openapi.json is made from these."""

    name: str
    method: str
    path: str
    """Below BASE, as OpenAPI and aiohttp both write it."""

    right: Right
    summary: str
    does: Callable[[AppContext, Asked], Awaitable[Any]]
    """Its docstring is the description. Answers a value to be made JSON, or an Answer."""

    answer: Any
    """The type of the JSON that is answered; bytes for a body as it is."""

    status: int = 200
    query: type[Struct] = Nothing
    body: type[Struct] | None = None
    errors: tuple[int, ...] = ()
    """Statuses beside those that every operation may answer."""

    def route(self, context: AppContext) -> Route:
        """As the site takes it."""
        return Route(self.method, BASE + self.path, self._handler(context), self.right)

    def _handler(self, context: AppContext) -> Handler:
        async def handle(request: web.Request, principal: Principal) -> Answer:
            query = _query(request, self.query)
            if isinstance(query, ErrorAnswer):
                return query
            body = await _body(request, self.body) if self.body else None
            if isinstance(body, ErrorAnswer):
                return body
            name = next(iter(request.match_info.values()), "")
            found = await self.does(context, Asked(principal=principal, name=name, query=query, body=body))
            return found if isinstance(found, web.StreamResponse | ErrorAnswer) else as_json(found, self.status)

        return handle


def as_json(value: Any, status: int = 200) -> web.Response:
    """An answer."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type=_JSON)


def _query(request: web.Request, kind: type[Struct]) -> Any:
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in kind.__struct_fields__:
            known = ", ".join(kind.__struct_fields__) or "none"
            return ErrorAnswer(400, f"There is no query parameter {name!r} here; there are: {known}.")
        if name in given:
            return ErrorAnswer(400, f"The query parameter {name!r} is given twice.")
        given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        return ErrorAnswer(400, f"The query is wrong: {error}.")


async def _body(request: web.Request, kind: type[Struct]) -> Any:
    try:
        async with asyncio.timeout(_BODY_S):
            content = await request.clone(client_max_size=MAX_BODY_BYTES).read()
    except TimeoutError:
        return ErrorAnswer(408, "The request took too long to arrive.")
    except web.HTTPRequestEntityTooLarge:
        return ErrorAnswer(413, f"That is too much at once: at most {MAX_BODY_BYTES // 1024} KiB are taken.")
    try:
        return msgspec.convert(_whole(msgspec.json.decode(content)), kind)
    except (ValueError, RecursionError) as error:
        return ErrorAnswer(400, f"The body is wrong: {error}.")


def _whole(value: Any) -> Any:
    """With 7.0 as 7: to JSON Schema, and to many a program, that is an integer."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return {key: _whole(inner) for key, inner in value.items()} if isinstance(value, dict) else value
