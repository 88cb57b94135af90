"""inspector/api/openapi.json, made from the table of operations and the structs that they take and answer.

`python -m tests.project.openapi` writes it anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from inspector.api.operation import BASE, MAX_BODY_BYTES, Nothing, Operation
from inspector.api.requests import ActionOrder, EditOrder
from inspector.api.responses import Conflict, Error
from inspector.api.routes import OPERATIONS
from tests.project.configuration import docstrings

FILE = Path(__file__).parents[2] / "inspector" / "api" / "openapi.json"

ABOUT = """\
Dead letters, actions on many of them, channels, the audit log and how things stand.

Programs send the token of a user of `inspector.users` as `Authorization: Bearer TOKEN`. A page of the inspector
may use its session's cookie; then each POST carries `X-CSRF-Token` too, as its forms do. Where no users are
configured the inspector serves this machine alone, and asks for neither. Each operation names the right that it
needs as `x-right`: `read` is any user's, `operate` needs `role = "operate"`, `reveal` needs `reveal = true`,
`edit` both; without it 403.

Every refusal is `{"error": "..."}`: what is so, and what mends it. An address that is not here is answered 404,
another method 405, a Host that is not the inspector's 421. Times are ms since 1970."""

REFUSALS = {
    400: "The query or the body is not as described; the answer tells where.",
    401: "No token, or one that nobody has.",
    403: "The right is lacking, or the request came from a page that is not the inspector's.",
    404: "There is none such (any more).",
    408: "The body took too long to arrive.",
    409: "Things are not as they were thought to be; nothing was done.",
    413: f"The body has more than {MAX_BODY_BYTES // 1024} KiB.",
    415: "The body is not sent as plain application/json.",
    429: "Too many wrong tokens came from this address: Retry-After tells when the next counts.",
    503: "Redis is away or the answer took too long: Retry-After tells when to try again.",
}
ALWAYS = (400, 401, 403, 429, 503)
OF_A_POST = (408, 413, 415)

ONE_OF = {
    EditOrder: {"oneOf": [{"required": ["body"]}, {"required": ["body_base64"]}]},
    ActionOrder: {
        "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}],
        "dependentRequired": {"expected_count": ["filter"], "until_ms": ["filter"]},
        "if": {"properties": {"verb": {"const": "annotate"}}},
        "then": {"required": ["note"]},
        "else": {"not": {"required": ["note"]}},
        "examples": [
            {
                "verb": "replay",
                "filter": {"fingerprint": "9f2c51a07be3"},
                "expected_count": 42,
                "rate_per_s": 20,
            },
            {"verb": "dry_run", "ids": ["000h8r3c2k9q4tz5w"]},
        ],
    },
}
"""What types do not say, and handlers check."""

NAMES = {"id": "An id that a list gave.", "name": "The name of a channel."}


def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(BASE + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hookline inspector",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": _components(),
            "responses": {str(status): _refusal(status, told) for status, told in REFUSALS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The token of a user."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "hookline_session",
                    "description": "What a login keeps in a browser; by https it is __Host-hookline_session.",
                },
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRF-Token",
                    "description": "What the forms of the session's pages carry, for each POST with a session.",
                },
            },
        },
    }


def text() -> str:
    """The file."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _operation(operation: Operation) -> dict[str, Any]:
    statuses = sorted({*ALWAYS, *operation.errors, *(OF_A_POST if operation.body else ())})
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": inspect.getdoc(operation.does),
        "x-right": operation.right,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation.query)],
        "responses": {
            str(operation.status): _success(operation),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses},
        },
    }
    if operation.body:
        described["security"] = [{"bearer": []}, {"session": [], "csrf": []}]
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(operation.body)}},
        }
    return described


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name, told in NAMES.items():
        if f"{{{name}}}" in operation.path:
            schema = {"type": "string", "minLength": 1}
            yield {"name": name, "in": "path", "required": True, "description": told, "schema": schema}


def _query_parameters(query: type[Struct]) -> Iterator[dict[str, Any]]:
    (found,) = [one for one in _schemas([query]).values() if one.get("title") == query.__name__]
    for name, schema in found["properties"].items():
        described = {key: value for key, value in schema.items() if key != "description"}
        parameter = {"name": name, "in": "query", "required": False, "schema": described}
        yield parameter | ({"description": schema["description"]} if "description" in schema else {})


def _success(operation: Operation) -> dict[str, Any]:
    if operation.answer is bytes:
        return {
            "description": "The bytes.",
            "headers": {"Content-Disposition": {"schema": {"type": "string"}, "description": "A file to save."}},
            "content": {"application/octet-stream": {"schema": {}}},
        }
    answer = {"description": _first(operation.answer), "content": _json(operation.answer)}
    if operation.status == 201:
        answer["headers"] = {"Location": {"schema": {"type": "string"}, "description": "Where it can be watched."}}
    return answer


def _refusal(status: int, told: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": told, "content": _json(Conflict if status == 409 else Error)}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    return answer


def _json(kind: type[Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(kind)}}


def _reference(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _components() -> dict[str, Any]:
    kinds = {Error, Conflict, Nothing}
    for operation in OPERATIONS:
        kinds |= {kind for kind in (operation.body, operation.answer) if kind and kind is not bytes}
    return dict(sorted(_schemas(sorted(kinds, key=lambda kind: kind.__name__)).items()))


def _schemas(kinds: list[type[Struct]]) -> dict[str, Any]:
    _, found = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for kind in _structs(kinds):
        schema = found[kind.__name__]
        schema["description"] = " ".join(str(inspect.getdoc(kind)).split())
        for name, told in docstrings(kind).items():
            if name in schema["properties"]:
                schema["properties"][name] = {**schema["properties"][name], "description": told}
        schema.update(ONE_OF.get(kind, {}))
    return found


def _structs(kinds: list[type[Struct]]) -> set[type[Struct]]:
    """These, and all that their fields hold."""
    found: set[type[Struct]] = set()
    left: list[Any] = list(kinds)
    while left:
        kind = left.pop()
        if isinstance(kind, type) and issubclass(kind, Struct):
            if kind not in found:
                found.add(kind)
                left += [field.type for field in structs.fields(kind)]
        else:
            left += [inner for inner in getattr(kind, "__args__", ()) if not isinstance(inner, str)]
    return found


def _first(kind: type[Struct]) -> str:
    return str(inspect.getdoc(kind)).partition("\n")[0]


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
