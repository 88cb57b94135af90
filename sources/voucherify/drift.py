"""Where a payload is not as Voucherify describes it: keys that are new, keys that are gone, types that changed.

What is described is what the models know and what the vendor's schema declares, taken together: a value is as
expected if either has it. Objects that both leave free (metadata) are not looked into, and findings carry names of
keys and of types, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from sources.drift_finding import Finding
from sources.voucherify.decoding.typed_payload import is_from_the_vendor, required_keys
from sources.voucherify.models import MODELS
from sources.voucherify.schema.declared import declared, declared_at_root
from sources.voucherify.schema.shapes import Shape, kind_of, shape_of

MAX_FINDINGS = 20
MAX_DEPTH = 10
MAX_ITEMS = 5
"""Items of a list, or values of an object with keys of its own, that are looked at."""

_MAX_KEY = 60


def compare(event_name: str, data: Any, root: str = "$.data") -> list[Finding]:
    """Deviations of an event's decoded payload, each once, at most MAX_FINDINGS.

    None for an event without a model, and for a payload that somebody designed: one whose objects do not say what
    they are, or that has no more than half of the keys that the event always has. `root` starts every path.
    """
    if event_name not in MODELS or not is_from_the_vendor(data):
        return []
    required = required_keys(event_name)
    if len(required & data.keys()) * 2 <= len(required):
        return []
    findings = dict.fromkeys(islice(_compare(_shapes(event_name), data, root, 1), MAX_FINDINGS * MAX_ITEMS))
    return list(islice(findings, MAX_FINDINGS))


@cache
def _shapes(event_name: str) -> tuple[Shape, ...]:
    """Descriptions of an event's payload. What the schema says of its objects elsewhere stands in for its own."""
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
        yield from _look_into(tuple(shape for shape in shapes if kind in shape.kinds), value, path, depth)


def _look_into(shapes: tuple[Shape, ...], value: Any, path: str, depth: int) -> Iterator[Finding]:
    if isinstance(value, dict) and all(shape.keys is not None for shape in shapes):
        yield from _compare_keys(shapes, value, path, depth)
    elif isinstance(value, list) and all(shape.items for shape in shapes):
        items = tuple(shape.items for shape in shapes if shape.items)
        for found in value[:MAX_ITEMS]:
            yield from _compare(items, found, f"{path}[*]", depth + 1)


def _compare_keys(shapes: tuple[Shape, ...], value: dict[str, Any], path: str, depth: int) -> Iterator[Finding]:
    values = tuple(shape.values for shape in shapes if shape.values)
    others = 0
    for key, found in value.items():
        known = tuple(shape.keys[key] for shape in shapes if shape.keys and key in shape.keys)
        if found is None and known and not any(key in shape.required for shape in shapes):
            continue  # null in a key that may be absent says the same
        if known:
            yield from _compare(known, found, f"{path}.{key}", depth + 1)
        elif not values:
            yield Finding("unknown key", f"{path}.{key[:_MAX_KEY]}", found=kind_of(found))
        elif others < MAX_ITEMS:
            others += 1
            yield from _compare(values, found, f"{path}[*]", depth + 1)
    required = frozenset.intersection(*(shape.required for shape in shapes))
    for key in sorted(required - value.keys()):
        yield Finding("missing key", f"{path}.{key}")
