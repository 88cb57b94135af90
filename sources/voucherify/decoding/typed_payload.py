"""Payload -> typed struct, where the event's name has a model and the payload is the vendor's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from sources.errors import DecodeError
from sources.voucherify.models import MODELS
from sources.voucherify.models.validated_fields import relied_upon

_RELIED = {model: relied_upon(model) for model in set(MODELS.values())}
_REQUIRED = {
    model: frozenset(field.encode_name for field in msgspec.structs.fields(model) if field.required)
    for model in _RELIED
}
_MSGSPEC_PATH = re.compile(r" - at `\$(.*)`$", re.DOTALL)


def checked_model(name: str) -> type[Struct] | None:
    """The event's `data` with the fields that Hookline relies on, None for a name without a model."""
    model = MODELS.get(name)
    return None if model is None else _RELIED[model]


def typed(name: str, payload: Any, root: str) -> Any:
    """The payload as its event's checked model, or as it is: unknown names, and what somebody designed.

    A field that may be absent and has the wrong type is None in the result: no notification dies for a field that
    it does not use. Raises DecodeError where a field that must be there has the wrong type or is missing; `root`
    is the payload's JSON path in the body.
    """
    model = checked_model(name)
    if model is None:
        return payload
    try:
        return msgspec.convert(payload, model)
    except msgspec.ValidationError as error:
        if is_the_vendors(name, payload):
            return _typed_with_gaps(payload, model, error, root)
        return payload


def _typed_with_gaps(payload: Any, model: type[Struct], error: msgspec.ValidationError, root: str) -> Any:
    """The payload as the model, each field that does not fit replaced: `40.0` by 40, anything else by None."""
    refused: dict[tuple[str, ...], msgspec.ValidationError] = {}
    while True:
        place = _place(error)
        first = refused.setdefault(place, error)
        value = _value_at(payload, place)
        replacement = int(value) if isinstance(value, float) and value.is_integer() else None
        if value is None:  # it cannot be null either
            raise translated(first, root) from None
        payload = _with_value(payload, place, replacement)
        try:
            return msgspec.convert(payload, model)
        except msgspec.ValidationError as next_error:
            error = next_error


def _place(error: msgspec.ValidationError) -> tuple[str, ...]:
    """The keys that lead to what does not fit; () for the whole, and for what the message does not say."""
    found = _MSGSPEC_PATH.search(str(error))
    return tuple(found[1].lstrip(".").split(".")) if found else ()


def _value_at(payload: Any, place: tuple[str, ...]) -> Any:
    """None where there is no such place."""
    if not place:
        return None
    for key in place:
        payload = payload.get(key) if isinstance(payload, Mapping) else None
    return payload


def _with_value(payload: Any, place: tuple[str, ...], value: int | None) -> Any:
    """A copy with another value at a place that is there."""
    key, *rest = place
    return {**payload, key: _with_value(payload[key], tuple(rest), value) if rest else value}


def model(name: str, payload: Any) -> Struct | None:
    """The payload as its event's whole model; None where the name has none or the payload does not fit it."""
    found = MODELS.get(name)
    if found is None:
        return None
    try:
        return msgspec.convert(payload, found)
    except msgspec.ValidationError:
        return None


def is_the_vendors(name: str, payload: Any) -> bool:
    """Whether a payload is as Voucherify makes it, and not as somebody designed it.

    The vendor's has every key that the event's model requires, and its objects say what they are
    (`"object": "customer"`). In doubt it is a designed one: that is passed on, never refused.
    """
    return is_from_the_vendor(payload) and payload.keys() >= required_keys(name)


def is_from_the_vendor(payload: Any) -> bool:
    """Whether any object in a payload says what it is, as all of the vendor's do."""
    return isinstance(payload, Mapping) and any(
        isinstance(value, dict) and isinstance(value.get("object"), str) for value in payload.values()
    )


def required_keys(name: str) -> frozenset[str]:
    """The keys that `data` of an event always has; none for a name without a model."""
    model = MODELS.get(name)
    return frozenset() if model is None else _REQUIRED[model]


def translated(error: Exception, root: str = "$") -> DecodeError:
    """msgspec's error as ours, its path under `root`."""
    message = str(error)
    place = _MSGSPEC_PATH.search(message)
    if place is None:
        return DecodeError(message, path=root)
    return DecodeError(message[: place.start()], path=root + place[1])
