"""The shape of a JSON value, in one form for the models and for the vendor's schema."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from msgspec import Struct, inspect


class Shape(Struct, eq=False):
    """The shape of a JSON value. Not frozen, since shapes may refer to each other and are filled one by one."""

    kinds: frozenset[str]
    """JSON types: object, array, string, integer, number, boolean, null. Empty: a value of any type."""

    keys: dict[str, Shape] | None = None
    """For an object: its keys; None if any keys are allowed."""

    required: frozenset[str] = frozenset()
    """For an object: the keys that are always present."""

    values: Shape | None = None
    """For an object: the shape of the values of other keys; None if no other keys are expected."""

    items: Shape | None = None
    """For an array: the shape of its items; None if any items are allowed."""

    listed: frozenset[str] = frozenset()
    """For a string: the allowed values; empty if any value is allowed."""


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
    """The JSON type of a decoded value. `40.0` is an integer, since JSON has only one type of numbers."""
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _NAMES.get(type(value), type(value).__name__)


def joined(shapes: Iterable[Shape]) -> Shape:
    """The shape of a value that may have any of these shapes, at most one of them an object and one an array."""
    first, *others = shapes
    if not others:
        return first
    union = Shape(first.kinds, first.keys, first.required, first.values, first.items, first.listed)
    for other in others:
        if not (union.kinds and other.kinds):
            return ANYTHING
        union.kinds |= other.kinds
        union.listed |= other.listed
        if "object" in other.kinds:
            union.keys, union.required, union.values = other.keys, other.required, other.values
        if "array" in other.kinds:
            union.items = other.items
    return union


@cache
def shape_of(model: type[Struct]) -> Shape:
    """The shape of the JSON of a model."""
    return _shape(inspect.type_info(model))


def _shape(info: inspect.Type) -> Shape:
    match info:
        case inspect.AnyType():
            shape = ANYTHING
        case inspect.UnionType(types=types):
            shape = joined(_shape(alternative) for alternative in types)
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
