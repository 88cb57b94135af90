"""Writes inspector/api/openapi.json from the table of operations and their structs: `python -m tools.openapi`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from inspector.api.operation import BASE, MAX_BODY_BYTES, NoFields, Operation
from inspector.api.requests import ActionRequest, EditRequest
from inspector.api.responses import Conflict, Error
from inspector.api.routes import OPERATIONS
from tools.configuration import docstrings

FILE = Path(__file__).parents[1] / "inspector" / "api" / "openapi.json"

ABOUT = """\
Dead letters, bulk actions, channels, the audit log and the status of Hookline.

Programs send the token of a user of `inspector.users` as `Authorization: Bearer TOKEN`. A page of the inspector
may use the cookie of its session instead; then each POST also carries `X-CSRF-Token`, as the forms do. If no
users are configured, the inspector serves only its own machine and needs neither. `x-right` names the right that
an operation needs: every user has `read`, `operate` needs `role = "operate"`, `reveal` needs `reveal = true`,
and `edit` needs both. Without the right the answer is 403.

Errors have the form `{"error": "<cause and remedy>"}`. An unknown address is answered 404, a method that the
address does not have 405, and a Host that is not the inspector's 421. Times are in milliseconds since 1970."""

REFUSALS = {
    400: "The query or the body is not valid; the error names the place.",
    401: "The token is missing or unknown.",
    403: "The user lacks the right, or the request came from a page of another site.",
    404: "It does not exist, or no longer exists.",
    408: "The body took too long to arrive.",
    409: "The state changed since it was read; nothing was done.",
    413: f"The body is larger than {MAX_BODY_BYTES // 1024} KiB.",
    415: "The Content-Type of the body is not application/json.",
    429: "Too many wrong tokens came from this address; Retry-After says when the next one is accepted.",
    503: "Redis is unavailable, or the answer took too long; Retry-After says when to try again.",
}
ALWAYS = (400, 401, 403, 429, 503)
OF_A_POST = (408, 413, 415)

# Types cannot express these constraints; the handlers check them.
ONE_OF = {
    EditRequest: {"oneOf": [{"required": ["body"]}, {"required": ["body_base64"]}]},
    ActionRequest: {
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

NAMES = {
    "id": "An id, as the lists return it.",
    "name": "The name of a channel.",
    "fingerprint": "The fingerprint of a failure group.",
}


def document() -> dict[str, Any]:
    """Return the whole description."""
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
            "responses": {str(status): _refusal(status, reason) for status, reason in REFUSALS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The token of a user."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "hookline_session",
                    "description": "The cookie of a login; over https its name is __Host-hookline_session.",
                },
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRF-Token",
                    "description": "The token in the forms of the pages; needed for each POST with a session.",
                },
            },
        },
    }


def text() -> str:
    """Return the content of the file."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _operation(operation: Operation) -> dict[str, Any]:
    statuses = sorted({*ALWAYS, *operation.errors, *(OF_A_POST if operation.body else ())})
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": inspect.getdoc(operation.handler),
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
    for name, description in NAMES.items():
        if f"{{{name}}}" in operation.path:
            schema = {"type": "string", "minLength": 1}
            yield {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query_parameters(query: type[Struct]) -> Iterator[dict[str, Any]]:
    (described_query,) = [schema for schema in _schemas([query]).values() if schema.get("title") == query.__name__]
    for name, schema in described_query["properties"].items():
        described = {key: value for key, value in schema.items() if key != "description"}
        parameter = {"name": name, "in": "query", "required": False, "schema": described}
        yield parameter | ({"description": schema["description"]} if "description" in schema else {})


def _success(operation: Operation) -> dict[str, Any]:
    if operation.answer is bytes:
        return {
            "description": "The bytes of the body.",
            "headers": {"Content-Disposition": {"schema": {"type": "string"}, "description": "A file to save."}},
            "content": {"application/octet-stream": {"schema": {}}},
        }
    answer = {"description": _first(operation.answer), "content": _json(operation.answer)}
    if operation.status == 201:
        answer["headers"] = {
            "Location": {
                "schema": {"type": "string"},
                "description": "The address of the action, for its progress.",
            }
        }
    return answer


def _refusal(status: int, reason: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": reason, "content": _json(Conflict if status == 409 else Error)}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}}
    return answer


def _json(kind: type[Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(kind)}}


def _reference(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _components() -> dict[str, Any]:
    kinds: set[type[Struct]] = {Error, Conflict, NoFields}
    for operation in OPERATIONS:
        kinds |= {kind for kind in (operation.body, operation.answer) if kind and kind is not bytes}
    return dict(sorted(_schemas(sorted(kinds, key=lambda kind: kind.__name__)).items()))


def _schemas(kinds: list[type[Struct]]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for kind in _structs(kinds):
        schema = schemas[kind.__name__]
        schema["description"] = " ".join(str(inspect.getdoc(kind)).split())
        for shape in schema["properties"].values():  # versions of msgspec order the types of a field differently
            shape.get("anyOf", []).sort(key=lambda option: option == {"type": "null"})
        for name, description in docstrings(kind).items():
            if name in schema["properties"]:
                schema["properties"][name] = {**schema["properties"][name], "description": description}
        schema.update(ONE_OF.get(kind, {}))
    return schemas


def _structs(kinds: list[type[Struct]]) -> set[type[Struct]]:
    """Return the structs among these types and among the types of their fields."""
    structs_seen: set[type[Struct]] = set()
    left: list[Any] = list(kinds)
    while left:
        kind = left.pop()
        if isinstance(kind, type) and issubclass(kind, Struct):
            if kind not in structs_seen:
                structs_seen.add(kind)
                left += [field.type for field in structs.fields(kind)]
        else:
            left += [inner for inner in getattr(kind, "__args__", ()) if not isinstance(inner, str)]
    return structs_seen


def _first(kind: type[Struct]) -> str:
    return str(inspect.getdoc(kind)).partition("\n")[0]


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
