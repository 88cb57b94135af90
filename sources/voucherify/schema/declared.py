"""The payloads of events in Voucherify's own schema: keys and their JSON types.

declared.json is made by tools/voucherify_declared.py, which describes its form, from the OpenAPI schema of
webhooks that Voucherify publishes (voucherifyio/voucherify-openapi on GitHub, April 2026). It holds names of keys,
types and listed values, and none of the schema's text.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from sources.shared.shapes import ANYTHING, Shape, joined

_FILE = Path(__file__).with_name("declared.json")
_OPENS, _CLOSES = "([{", ")]}"


def declared(event_name: str) -> Shape | None:
    """The shape of an event's payload; None for an event that the schema does not have."""
    return _table().events.get(event_name)


@cache
def declared_at_root(key: str) -> tuple[Shape, ...]:
    """The shapes of a key directly under `data`, in the events that have it."""
    shapes = (shape.keys[key] for shape in _table().events.values() if shape.keys and key in shape.keys)
    return tuple({id(shape): shape for shape in shapes}.values())


class _Table:
    """The content of declared.json."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._rows: list[dict[str, str]] = content["shapes"]
        # Shapes may refer to each other, so all are created before the first one is filled.
        self._objects = [Shape(frozenset({"object"}), keys={}) for _ in self._rows]
        for shape, row in zip(self._objects, self._rows, strict=True):
            self._fill(shape, row)
        self.events = {name: self._objects[number] for name, number in content["events"].items()}

    def _fill(self, shape: Shape, row: dict[str, str]) -> None:
        assert shape.keys is not None
        for written, text in row.items():
            key = written.removesuffix("!")
            if key == "*":
                shape.values = self._shape(text)
                continue
            shape.keys[key] = self._shape(text)
            if key != written:
                shape.required |= {key}

    def _shape(self, text: str) -> Shape:
        return joined(self._alternative(part) for part in _parts(text))

    def _alternative(self, text: str) -> Shape:
        if text == "any":
            return ANYTHING
        if text.startswith("#"):
            return self._objects[int(text[1:])]
        if text.startswith("["):
            return Shape(frozenset({"array"}), items=self._shape(text[1:-1]))
        if text.startswith("{"):
            return Shape(frozenset({"object"}), keys={}, values=self._shape(text[1:-1]))
        kind, _, listed = text.partition("(")
        return Shape(frozenset({kind}), listed=frozenset(filter(None, listed.removesuffix(")").split(","))))


@cache
def _table() -> _Table:
    return _Table(msgspec.json.decode(_FILE.read_bytes()))


def _parts(text: str) -> list[str]:
    """The alternatives of a type, split at each `|` outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in _OPENS) - (character in _CLOSES)
        if character == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts
