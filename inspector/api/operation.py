"""An operation of the API, and the strict reading of its requests."""

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
"""Largest body of a request: enough for 10,000 ids or a large webhook as base64."""

_BODY_S = 5.0
_JSON = "application/json"


class NoFields(Struct, frozen=True, forbid_unknown_fields=True):
    """A body without fields: `{}`."""


class ApiRequest(Struct, frozen=True, kw_only=True):
    """A valid request to the API."""

    principal: Principal
    path_value: str
    """The id or name in the path; "" if the path has none."""

    query: Any
    """An instance of the operation's `query` type."""

    body: Any
    """An instance of the operation's `body` type; None for a GET."""


class Operation(Struct, frozen=True, kw_only=True):
    """An operation. openapi.json is generated from these."""

    name: str
    method: str
    path: str
    """Below BASE, as OpenAPI and aiohttp both write it."""

    right: Right
    summary: str
    handler: Callable[[AppContext, ApiRequest], Awaitable[Any]]
    """Returns a value to encode as JSON, or an Answer. Its docstring is the description in openapi.json."""

    answer: Any
    """Type of the JSON in the answer; bytes for a raw body."""

    status: int = 200
    query: type[Struct] = NoFields
    body: type[Struct] | None = None
    errors: tuple[int, ...] = ()
    """Error statuses beyond those that every operation may answer."""

    def route(self, context: AppContext) -> Route:
        """The route of this operation, for the site."""
        return Route(self.method, BASE + self.path, self._handler(context), self.right)

    def _handler(self, context: AppContext) -> Handler:
        async def handle(request: web.Request, principal: Principal) -> Answer:
            query = _query(request, self.query)
            if isinstance(query, ErrorAnswer):
                return query
            body = await _body(request, self.body) if self.body else None
            if isinstance(body, ErrorAnswer):
                return body
            path_value = next(iter(request.match_info.values()), "")
            answer = await self.handler(
                context, ApiRequest(principal=principal, path_value=path_value, query=query, body=body)
            )
            return answer if isinstance(answer, web.StreamResponse | ErrorAnswer) else as_json(answer, self.status)

        return handle


def as_json(value: Any, status: int = 200) -> web.Response:
    """A JSON answer with this value."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type=_JSON)


def _query(request: web.Request, kind: type[Struct]) -> Any:
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in kind.__struct_fields__:
            known = ", ".join(kind.__struct_fields__) or "none"
            return ErrorAnswer(400, f"Unknown query parameter {name!r}. Known are: {known}.")
        if name in values:
            return ErrorAnswer(400, f"The query parameter {name!r} is given twice.")
        values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        return ErrorAnswer(400, f"Invalid query: {error}.")


async def _body(request: web.Request, kind: type[Struct]) -> Any:
    try:
        async with asyncio.timeout(_BODY_S):
            content = await request.clone(client_max_size=MAX_BODY_BYTES).read()
    except TimeoutError:
        return ErrorAnswer(408, "The request body took too long to arrive.")
    except web.HTTPRequestEntityTooLarge:
        return ErrorAnswer(413, f"The body is too large: at most {MAX_BODY_BYTES // 1024} KiB.")
    try:
        return msgspec.convert(_with_integers(msgspec.json.decode(content)), kind)
    except (ValueError, RecursionError) as error:
        return ErrorAnswer(400, f"Invalid body: {error}.")


def _with_integers(value: Any) -> Any:
    """The value with 7.0 as 7."""
    # For JSON Schema, and in many programming languages, 7.0 is an integer.
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_with_integers(inner) for inner in value]
    return {key: _with_integers(inner) for key, inner in value.items()} if isinstance(value, dict) else value
