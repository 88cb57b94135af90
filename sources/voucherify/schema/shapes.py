"""What a JSON value may be, in one form for the models and for the vendor's schema."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from msgspec import Struct, inspect


class Shape(Struct, eq=False):
    """What a JSON value may be. Not frozen, since shapes may hold each other and are filled one after another."""

    kinds: frozenset[str]
    """JSON types: object, array, string, integer, number, boolean, null. Empty: a value of any type."""

    keys: dict[str, Shape] | None = None
    """Of an object: its keys; None where any are expected."""

    required: frozenset[str] = frozenset()
    """Of an object: the keys that are always there."""

    values: Shape | None = None
    """Of an object: what keys that are not listed hold; None where no others are expected."""

    items: Shape | None = None
    """Of an array; None where any are expected."""

    listed: frozenset[str] = frozenset()
    """Of a string: the values that it may have; empty where it may have any."""


ANYTHING = Shape(frozenset())

_NAMES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "integer",
    bool: "boolean",
    type(None): "null",
}
_KINDS: dict[type[inspect.Type], str] = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}


def kind_of(value: object) -> str:
    """The JSON type of a decoded value. `40.0` is an integer: JSON has one kind of numbers, and it is whole."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _NAMES.get(type(value), type(value).__name__)


def joined(shapes: Iterable[Shape]) -> Shape:
    """The shape of a value that may be any of these, of which one is an object and one is an array at most."""
    first, *others = shapes
    if not others:
        return first
    found = Shape(first.kinds, first.keys, first.required, first.values, first.items, first.listed)
    for other in others:
        if not (found.kinds and other.kinds):
            return ANYTHING
        found.kinds |= other.kinds
        found.listed |= other.listed
        if "object" in other.kinds:
            found.keys, found.required, found.values = other.keys, other.required, other.values
        if "array" in other.kinds:
            found.items = other.items
    return found


@cache
def shape_of(model: type[Struct]) -> Shape:
    """The shape of the JSON that a model is made of."""
    return _shape(inspect.type_info(model))


def _shape(info: inspect.Type) -> Shape:
    match info:
        case inspect.AnyType():
            shape = ANYTHING
        case inspect.UnionType(types=types):
            shape = joined(_shape(one) for one in types)
        case inspect.StructType(fields=fields):
            keys = {field.encode_name: _shape(field.type) for field in fields}
            required = frozenset(field.encode_name for field in fields if field.required)
            shape = Shape(frozenset({"object"}), keys, required)
        case inspect.DictType(value_type=inspect.AnyType()):
            shape = Shape(frozenset({"object"}))
        case inspect.DictType(value_type=value):
            shape = Shape(frozenset({"object"}), {}, values=_shape(value))
        case inspect.ListType(item_type=item):
            shape = Shape(frozenset({"array"}), items=_shape(item))
        case _:
            shape = Shape(frozenset({_KINDS[type(info)]}))
    return shape
