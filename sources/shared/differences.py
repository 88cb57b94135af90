"""Finds differences between a payload and its shapes: new keys, missing keys, changed types.

A value may have several shapes, such as that of a model and that of a vendor's schema: it is as expected if one of
them has it. Objects that all shapes leave free are not examined. Findings contain names of keys and types, never a
value.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sources.drift_finding import Finding
from sources.shared.shapes import Shape, kind_of

MAX_FINDINGS = 20
MAX_DEPTH = 10
MAX_ITEMS = 5
"""Limit on the examined items of a list, or values of an object with free keys."""

_MAX_KEY = 60


def differences(shapes: tuple[Shape, ...], payload: Any, root: str, *, new_keys: bool = True) -> list[Finding]:
    """The differences of a payload, each once, at most MAX_FINDINGS. `root` starts every path.

    new_keys: False if the shapes hold only a part of the keys, so that an unknown one is no difference.
    """
    findings = _compare(shapes, payload, root, 1)
    if not new_keys:
        findings = (finding for finding in findings if finding.what != "unknown key")
    return list(islice(dict.fromkeys(islice(findings, MAX_FINDINGS * MAX_ITEMS)), MAX_FINDINGS))


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
