"""Which event names a raw payload can have. Its name comes from the URL, which the signature does not cover."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sources.errors import DecodeError
from sources.event import UNKNOWN
from sources.provider import UrlEventUse
from sources.voucherify.decoding.envelope import name_by_shape, unwrap
from sources.voucherify.decoding.parsing import parsed
from sources.voucherify.decoding.typed_payload import is_from_the_vendor
from sources.voucherify.models import MODELS
from sources.voucherify.schema.declared import declared
from sources.voucherify.schema.shapes import Shape, shape_of

_CUSTOMERS = "customer."
_ANY_BOOKING = ".transaction.created"
_TELLING_KEYS = ("transaction", "balance")
"""Objects that tell what happened, in a payload that somebody designed too."""


def identifying_name(name: str) -> str:
    """The name that a raw payload is identified by: a project's name of an event means the distribution's.

    Only distributions send raw payloads, so both names of one event in the URL make no two events of it.
    """
    of_distribution = _CUSTOMERS + name
    return of_distribution if name in MODELS and of_distribution in MODELS else name


def url_event(body: bytes, name: str) -> UrlEventUse:
    """What an event name in the URL, or "", is to a body. One that cannot be decoded may be anything."""
    try:
        content = parsed(body)
    except DecodeError:
        return "possible"
    wrapped = unwrap(content, name)
    if wrapped.kind != "raw" and wrapped.name_is_signed:
        return "ignored"
    return "possible" if fits(wrapped.payload, name) else "impossible"


def fits(payload: Any, name: str) -> bool:
    """Whether a raw payload can be this event; in doubt it can, since people design payloads of any shape.

    It cannot where it holds a booking or a balance of other events, where it has keys that Voucherify sends in
    other events alone, and where it is a whole payload of other events.
    """
    if name not in MODELS or not isinstance(payload, Mapping):
        return True
    if any(not _may_have(payload, name, key) for key in _TELLING_KEYS):
        return False
    if not _is_as_certain(payload, name):
        return False
    if not _is_made_by_the_vendor(payload):
        return True
    is_whole = any(len(always) > 1 and payload.keys() >= always for always in _whole_payloads())
    return payload.keys() & _all_keys() <= _keys(name) and not (is_whole and _always(name) - payload.keys())


def _is_as_certain(payload: Mapping[str, Any], name: str) -> bool:
    """Whether the event is the one that the shape tells, where it tells one for certain, or has more to it."""
    by_shape = name_by_shape(payload)
    if by_shape in (UNKNOWN, identifying_name(name)) or name.endswith(_ANY_BOOKING):
        return True
    return payload.keys() >= _always(name) and bool(_always(name) - _always(by_shape))


def _may_have(payload: Mapping[str, Any], name: str, key: str) -> bool:
    """Whether the event can have such an object under the key."""
    return not isinstance(payload.get(key), Mapping) or (key in _keys(name) and _is_listed(payload, name, key))


def _is_made_by_the_vendor(payload: Mapping[str, Any]) -> bool:
    return is_from_the_vendor(payload) or (bool(payload) and payload.keys() <= _all_keys())


def _is_listed(payload: Mapping[str, Any], name: str, key: str) -> bool:
    """Whether an object's `type` is one that the schema lists for this event, where it lists any."""
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
