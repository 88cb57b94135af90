"""Finds out which event names a raw payload can have. Its name is in the URL, which is not signed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sources.errors import DecodeError
from sources.event import UNKNOWN
from sources.provider import UrlEventUse
from sources.shared.json_body import parse_json
from sources.shared.shapes import Shape, shape_of
from sources.voucherify.decoding.envelope import name_by_shape, unwrap
from sources.voucherify.decoding.typed_payload import is_from_vendor
from sources.voucherify.models import MODELS
from sources.voucherify.schema.declared import declared

_CUSTOMERS = "customer."
_ANY_TRANSACTION = ".transaction.created"
_IDENTIFYING_KEYS = ("transaction", "balance")
"""Objects that identify the event, in custom payloads too."""


def identifying_name(name: str) -> str:
    """The event name in the identity of a raw payload: a project's name of an event becomes the distribution's.

    Only distributions send raw payloads, so the two names of one event must not make two events of it.
    """
    of_distribution = _CUSTOMERS + name
    return of_distribution if name in MODELS and of_distribution in MODELS else name


def url_event(body: bytes, name: str) -> UrlEventUse:
    """How an event name in the URL, or "", fits a body. A body that cannot be decoded may be any event."""
    try:
        content = parse_json(body)
    except DecodeError:
        return "possible"
    wrapped = unwrap(content, name)
    if wrapped.kind != "raw" and wrapped.name_is_signed:
        return "ignored"
    return "possible" if fits(wrapped.payload, name) else "impossible"


def fits(payload: Any, name: str) -> bool:
    """True unless a raw payload certainly is another event, since custom payloads may have any shape.

    It is another event if it has a transaction or a balance of other events, if it has keys that Voucherify sends
    in other events only, or if it is a complete payload of other events.
    """
    if name not in MODELS or not isinstance(payload, Mapping):
        return True
    if any(not _may_have(payload, name, key) for key in _IDENTIFYING_KEYS):
        return False
    if not _agrees_with_shape(payload, name):
        return False
    if not _has_vendor_keys_only(payload):
        return True
    is_whole = any(len(always) > 1 and payload.keys() >= always for always in _whole_payloads())
    return payload.keys() & _all_keys() <= _keys(name) and not (is_whole and _always(name) - payload.keys())


def _agrees_with_shape(payload: Mapping[str, Any], name: str) -> bool:
    """True unless the shape identifies another event, and the payload lacks the further keys of this one."""
    by_shape = name_by_shape(payload)
    if by_shape in (UNKNOWN, identifying_name(name)) or name.endswith(_ANY_TRANSACTION):
        return True
    return payload.keys() >= _always(name) and bool(_always(name) - _always(by_shape))


def _may_have(payload: Mapping[str, Any], name: str, key: str) -> bool:
    """True if the event can have such an object under the key."""
    return not isinstance(payload.get(key), Mapping) or (key in _keys(name) and _is_listed(payload, name, key))


def _has_vendor_keys_only(payload: Mapping[str, Any]) -> bool:
    return is_from_vendor(payload) or (bool(payload) and payload.keys() <= _all_keys())


def _is_listed(payload: Mapping[str, Any], name: str, key: str) -> bool:
    """True if the schema lists an object's `type` for this event, or lists no types for it."""
    shape = declared(name)
    of_key = shape.keys.get(key) if shape and shape.keys else None
    of_type = of_key.keys.get("type") if of_key and of_key.keys else None
    kind = payload[key].get("type")
    return not (of_type and of_type.listed and isinstance(kind, str)) or kind in of_type.listed


@cache
def _keys(name: str) -> frozenset[str]:
    """Every key that the event's payload may have."""
    return frozenset(key for shape in _shapes(name) for key in shape.keys or ())


@cache
def _always(name: str) -> frozenset[str]:
    """The keys that the event's payload always has, by the model and by the schema."""
    return frozenset.intersection(*(shape.required for shape in _shapes(name)))


@cache
def _whole_payloads() -> frozenset[frozenset[str]]:
    """For each event the keys that it always has."""
    return frozenset(_always(name) for name in MODELS)


@cache
def _all_keys() -> frozenset[str]:
    return frozenset[str]().union(*(_keys(name) for name in MODELS))


def _shapes(name: str) -> list[Shape]:
    return [shape for shape in (shape_of(MODELS[name]), declared(name)) if shape is not None]
