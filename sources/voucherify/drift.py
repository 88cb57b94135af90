"""Finds differences between a payload and its description, which is the model and the vendor's schema together.

Objects that both leave free (metadata) are not examined.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sources.drift_finding import Finding
from sources.shared.differences import differences
from sources.shared.shapes import Shape, shape_of
from sources.voucherify.decoding.typed_payload import is_from_vendor, required_keys
from sources.voucherify.models import MODELS
from sources.voucherify.schema.declared import declared, declared_at_root


def compare(event_name: str, data: Any, root: str = "$.data") -> list[Finding]:
    """The differences of an event's decoded payload, each once, at most MAX_FINDINGS. `root` starts every path.

    Empty for an event without a model, and for a custom payload: one whose objects do not state their type, or
    that has at most half of the keys that the event always has.
    """
    if event_name not in MODELS or not is_from_vendor(data):
        return []
    required = required_keys(event_name)
    if len(required & data.keys()) * 2 <= len(required):
        return []
    return differences(_shapes(event_name), data, root)


@cache
def _shapes(event_name: str) -> tuple[Shape, ...]:
    """The shapes of an event's payload: the model's and the schema's.

    For an event that the schema lacks, the shapes that its objects have in other events are used.
    """
    known = shape_of(MODELS[event_name])
    of_event = declared(event_name)
    if of_event is None:
        of_event = Shape(known.kinds, {}, known.required)
        shapes = [Shape(known.kinds, {key: shape}) for key in known.keys or () for shape in declared_at_root(key)]
        return known, of_event, *shapes
    return known, of_event
