"""Payloads in the vendor's forms, and ways to wrap and send them."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, inspect

from sources.event import Event
from sources.voucherify import VOUCHERIFY
from sources.voucherify.models import MODELS

FIXTURES = Path(__file__).parent / "fixtures" / "payloads.json"
PAYLOADS: dict[str, dict[str, Any]] = json.loads(FIXTURES.read_bytes())
POINTS_ADDED = "customer.voucher.loyalty_card.points_added"


def compact(value: object) -> bytes:
    """Return JSON as Voucherify writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


def decode(value: object, hint: str = "") -> Event:
    """Decode the vendor's JSON, the form that a proxy may re-write it to, and a form that is decoded completely.

    All three must give the same event.
    """
    event = VOUCHERIFY.decode(compact(value), hint)
    for form in (json.dumps(value, indent=2).encode(), BOM_UTF8 + compact(value)):
        again = VOUCHERIFY.decode(form, hint)
        assert again == event
        assert type(again.data) is type(event.data)
    return event


def webhook(name: str, data: object, **changes: object) -> dict[str, Any]:
    """Return the envelope of a distribution webhook."""
    return {
        "id": "whs_1",
        "project_id": "proj_1",
        "created_at": "2026-02-03T04:05:07.000Z",
        "type": "Say it to the customer",
        "data": data,
        "source": {"id": "distr_1", "object": "distribution", "target_url": "https://hooks.example.com"},
        "event": {
            "id": "ev_1",
            "type": name,
            "created_at": "2026-02-03T04:05:06.789Z",
            "entity_id": "v_1",
            "group_id": "v-1",
            "event_source": {"channel": "API", "user": None, "api_key": {"name": "shop", "app_id": "a"}},
        },
    } | changes


def project_webhook(name: str, data: object) -> dict[str, Any]:
    source = {"id": "wh_1", "object": "webhook", "target_url": "https://hooks.example.com"}
    return webhook(name, data, type=name, source=source)


def least(name: str) -> dict[str, Any]:
    """Return the smallest payload that the vendor sends for an event: the keys that are always present."""
    required = [field for field in _fields(MODELS[name]) if field.required]
    return {field.encode_name: _least_of(field.type) for field in required}


def _least_of(shape: inspect.Type) -> Any:
    options = shape.types if isinstance(shape, inspect.UnionType) else (shape,)
    for option in options:
        if isinstance(option, inspect.StructType):
            required = [field for field in option.fields if field.required]
            return {"object": "some"} | {field.encode_name: _least_of(field.type) for field in required}
    return 1


def _fields(model: type[Struct]) -> tuple[inspect.Field, ...]:
    shape = inspect.type_info(model)
    assert isinstance(shape, inspect.StructType)
    return shape.fields


def leaves(struct: Struct, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, value) of each field that is set, also within structs."""
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if isinstance(value, Struct):
            yield from leaves(value, (*path, field.encode_name))
        elif value is not None:
            yield (*path, field.encode_name), value


def at(payload: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        payload = payload[key]
    return payload


def replaced(payload: Any, path: tuple[str, ...], value: object) -> Any:
    """Return a copy with another value at the path."""
    head, *rest = path
    return payload | {head: replaced(payload[head], tuple(rest), value) if rest else value}
