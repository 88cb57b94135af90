"""Payloads that the vendor's schema allows, generated from its table of keys and types."""

from __future__ import annotations

import random
from typing import Any

from sources.shared.shapes import ANYTHING, Shape
from sources.voucherify.schema.declared import declared

_KINDS = ("string", "integer", "number", "boolean", "null", "array", "object")
_DEEPEST = 7
_SIMPLE: dict[str, tuple[Any, ...]] = {
    "null": (None,),
    "boolean": (True, False),
    "string": ("", "x", "2026-01-02T03:04:05.000Z", "Grüße \U0001f389", '"quoted" \\ and\nbroken', "cust_1a2b3c"),
    "integer": (0, 1, -7, 2641, 2**53, 40.0),
    "number": (0, 1234.5, -0.01, 1e21, 99),
}


def conforming(event_name: str, seed: int) -> dict[str, Any]:
    """Return a payload, the same for the same seed. Of four in a row, one has all keys, one the fewest."""
    shape = declared(event_name)
    assert shape is not None
    share = (1.0, 0.0, 0.7, 0.3)[seed % 4]
    return _Maker(random.Random(f"{event_name}/{seed}"), share).object(shape, 0)


class _Maker:
    def __init__(self, rng: random.Random, share: float) -> None:
        """share: the part of the optional keys that is present."""
        self._rng = rng
        self._share = share

    def object(self, shape: Shape, depth: int) -> dict[str, Any]:
        made = {
            key: self._value(inner, depth + 1)
            for key, inner in (shape.keys or {}).items()
            if key in shape.required or (depth < _DEEPEST and self._rng.random() < self._share)
        }
        if shape.values and depth < _DEEPEST:
            made |= {f"free {number}": self._value(shape.values, depth + 1) for number in range(2)}
        return made

    def _value(self, shape: Shape, depth: int) -> Any:
        kind = self._rng.choice(sorted(shape.kinds) or _KINDS)
        if kind == "object":
            return self.object(shape, depth)
        if kind == "array":
            count = self._rng.randrange(3) if depth < _DEEPEST else 0
            return [self._value(shape.items or ANYTHING, depth + 1) for _ in range(count)]
        if kind == "string" and shape.listed:
            return self._rng.choice(sorted(shape.listed))
        return self._rng.choice(_SIMPLE[kind])
