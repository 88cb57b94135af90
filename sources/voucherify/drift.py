"""Finds differences between a payload and its description: new keys, missing keys, changed types.

The description is the model and the vendor's schema together: a value is as expected if either of them has it.
Objects that both leave free (metadata) are not examined. Findings contain names of keys and types, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from sources.drift_finding import Finding
from sources.voucherify.decoding.typed_payload import is_from_vendor, required_keys
from sources.voucherify.models import MODELS
from sources.voucherify.schema.declared import declared, declared_at_root
from sources.voucherify.schema.shapes import Shape, kind_of, shape_of

MAX_FINDINGS = 20
MAX_DEPTH = 10
MAX_ITEMS = 5
"""Limit on the examined items of a list, or values of an object with free keys."""

_MAX_KEY = 60


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
    findings = dict.fromkeys(islice(_compare(_shapes(event_name), data, root, 1), MAX_FINDINGS * MAX_ITEMS))
    return list(islice(findings, MAX_FINDINGS))


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


def _compare(shapes: tuple[Shape, ...], value: Any, path: str, depth: int) -> Iterator[Finding]:
    if not all(shape.kinds for shape in shapes):
        return
    kind = kind_of(value)
    kinds = frozenset().union(*(shape.kinds for shape in shapes))
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        yield Finding("changed type", path, " or ".join(sorted(kinds)), kind)
    elif depth < MAX_DEPTH:
        yield from _compare_inside(tuple(shape for shape in shapes if kind in shape.kinds), value, path, depth)


def _compare_inside(shapes: tuple[Shape, ...], value: Any, path: str, depth: int) -> Iterator[Finding]:
    if isinstance(value, dict) and all(shape.keys is not None for shape in shapes):
        yield from _compare_keys(shapes, value, path, depth)
    elif isinstance(value, list) and all(shape.items for shape in shapes):
        items = tuple(shape.items for shape in shapes if shape.items)
        for item in value[:MAX_ITEMS]:
            yield from _compare(items, item, f"{path}[*]", depth + 1)


def _compare_keys(shapes: tuple[Shape, ...], value: dict[str, Any], path: str, depth: int) -> Iterator[Finding]:
    values = tuple(shape.values for shape in shapes if shape.values)
    others = 0
    for key, inner in value.items():
        known = tuple(shape.keys[key] for shape in shapes if shape.keys and key in shape.keys)
        if inner is None and known and not any(key in shape.required for shape in shapes):
            continue  # null means the same as an absent key
        if known:
            yield from _compare(known, inner, f"{path}.{key}", depth + 1)
        elif not values:
            yield Finding("unknown key", f"{path}.{key[:_MAX_KEY]}", found=kind_of(inner))
        elif others < MAX_ITEMS:
            others += 1
            yield from _compare(values, inner, f"{path}[*]", depth + 1)
    required = frozenset.intersection(*(shape.required for shape in shapes))
    for key in sorted(required - value.keys()):
        yield Finding("missing key", f"{path}.{key}")
