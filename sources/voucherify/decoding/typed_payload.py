"""Converts a payload to its typed struct, if the event has a model and the payload is the vendor's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from sources.shared.json_body import decode_error
from sources.voucherify.models import MODELS
from sources.voucherify.models.validated_fields import with_validated_fields_only

_VALIDATED_MODELS = {model: with_validated_fields_only(model) for model in set(MODELS.values())}
_REQUIRED = {
    model: frozenset(field.encode_name for field in msgspec.structs.fields(model) if field.required)
    for model in _VALIDATED_MODELS
}
_MSGSPEC_PATH = re.compile(r" - at `\$(.*)`$", re.DOTALL)


def checked_model(name: str) -> type[Struct] | None:
    """The model of the event's `data` with the validated fields, None for a name without a model."""
    model = MODELS.get(name)
    return None if model is None else _VALIDATED_MODELS[model]


def typed(name: str, payload: Any, root: str) -> Any:
    """The payload as its event's checked model; unchanged for unknown names and custom payloads.

    An optional field with a wrong type is None in the result, so that no notification fails for a field that it
    does not use. Raises DecodeError if a required field has the wrong type or is missing; `root` is the payload's
    JSON path in the body.
    """
    model = checked_model(name)
    if model is None:
        return payload
    try:
        return msgspec.convert(payload, model)
    except msgspec.ValidationError as error:
        if is_complete_and_from_vendor(name, payload):
            return _typed_with_gaps(payload, model, error, root)
        return payload


def _typed_with_gaps(payload: Any, model: type[Struct], error: msgspec.ValidationError, root: str) -> Any:
    """The payload as the model, with each wrong field replaced: `40.0` by 40, anything else by None."""
    errors: dict[tuple[str, ...], msgspec.ValidationError] = {}
    while True:
        place = _place(error)
        first = errors.setdefault(place, error)
        value = _value_at(payload, place)
        replacement = int(value) if isinstance(value, float) and value.is_integer() else None
        if value is None:  # null is not allowed either
            raise decode_error(first, root) from None
        payload = _with_value(payload, place, replacement)
        try:
            return msgspec.convert(payload, model)
        except msgspec.ValidationError as next_error:
            error = next_error


def _place(error: msgspec.ValidationError) -> tuple[str, ...]:
    """The keys of the wrong field; () for the whole payload, and if the message does not have a path."""
    match = _MSGSPEC_PATH.search(str(error))
    return tuple(match[1].lstrip(".").split(".")) if match else ()


def _value_at(payload: Any, place: tuple[str, ...]) -> Any:
    """The value at a place; None if the payload has no such place."""
    if not place:
        return None
    for key in place:
        payload = payload.get(key) if isinstance(payload, Mapping) else None
    return payload


def _with_value(payload: Any, place: tuple[str, ...], value: int | None) -> Any:
    """A copy with another value at an existing place."""
    key, *rest = place
    return {**payload, key: _with_value(payload[key], tuple(rest), value) if rest else value}


def model(name: str, payload: Any) -> Struct | None:
    """The payload as its event's whole model; None without a model, or if the payload does not fit."""
    event_model = MODELS.get(name)
    if event_model is None:
        return None
    try:
        return msgspec.convert(payload, event_model)
    except msgspec.ValidationError:
        return None


def is_complete_and_from_vendor(name: str, payload: Any) -> bool:
    """True for a complete payload of Voucherify, False for a custom payload.

    A payload of Voucherify has every key that the event's model requires, and its objects state their type
    (`"object": "customer"`). Any other payload counts as custom, which is accepted as it is.
    """
    return is_from_vendor(payload) and payload.keys() >= required_keys(name)


def is_from_vendor(payload: Any) -> bool:
    """True if any object in a payload states its type, as all objects of Voucherify do."""
    return isinstance(payload, Mapping) and any(
        isinstance(value, dict) and isinstance(value.get("object"), str) for value in payload.values()
    )


def required_keys(name: str) -> frozenset[str]:
    """The keys that the `data` of an event always has; empty for a name without a model."""
    model = MODELS.get(name)
    return frozenset() if model is None else _REQUIRED[model]
