"""Which event names a raw payload can have. Its name comes from the URL, which the signature does not cover."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sources.voucherify.declared import declared
from sources.voucherify.models import MODELS
from sources.voucherify.shapes import Shape, shape_of
from sources.voucherify.vendor import is_from_the_vendor

_CUSTOMERS = "customer."
_TELLING_KEYS = ("transaction", "balance")
"""Objects that tell what happened, in a payload that somebody designed too."""


def identifying_name(name: str) -> str:
    """The name that a raw payload is identified by: a project's name of an event means the distribution's.

    Only distributions send raw payloads, so both names of one event in the URL make no two events of it.
    """
    of_distribution = _CUSTOMERS + name
    return of_distribution if name in MODELS and of_distribution in MODELS else name


def fits(payload: Any, name: str) -> bool:
    """Whether a raw payload can be this event; in doubt it can.

    A payload as Voucherify makes it has the keys that the event always has, and none that belong to other events
    alone. Of a designed payload only a booking or a balance in it is looked at.
    """
    if name not in MODELS or not isinstance(payload, Mapping):
        return True
    known, always = _keys(name), _always(name)
    for key in _TELLING_KEYS:
        if isinstance(payload.get(key), Mapping) and not (key in known and _is_listed(payload, name, key)):
            return False
    if not _is_made_by_the_vendor(payload):
        return True
    return payload.keys() >= always and payload.keys() & _all_keys() <= known


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
def _all_keys() -> frozenset[str]:
    return frozenset[str]().union(*(_keys(name) for name in MODELS))


def _shapes(name: str) -> list[Shape]:
    return [shape for shape in (shape_of(MODELS[name]), declared(name)) if shape is not None]
