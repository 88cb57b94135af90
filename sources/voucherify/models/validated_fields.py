"""Which fields of a model Hookline relies on, and a model of those alone.

A vendor adds keys and changes types. A change in a field that no rule, notification or identity of ours needs must
not stop an event, so intake checks the marked fields and skips over the rest; drift reports that rest.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

_MARK = "relied upon"
_T = TypeVar("_T")

Relied = Annotated[_T, _MARK]
"""A field that Hookline relies on: a wrong type in it makes the body a dead letter."""


def relied_upon(model: type[Struct]) -> type[Struct]:
    """The model of an event's `data` with every object in it cut down to the fields that are relied on."""
    return _cut_down(model, whole_objects=True)


@cache
def _cut_down(model: type[Struct], *, whole_objects: bool) -> type[Struct]:
    """`whole_objects`: objects are looked into without a mark of their own, as those right under `data` are."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    hints = get_type_hints(model, include_extras=True)
    for field in msgspec.structs.fields(model):
        hint = hints[field.name]
        marked = get_origin(hint) is Annotated and _MARK in get_args(hint)
        if not marked and not (whole_objects and _struct_in(hint)):
            continue
        named = (field.encode_name, _narrowed(get_args(hint)[0] if marked else hint))
        fields.append(named if field.required else (*named, field.default))
    return msgspec.defstruct(model.__name__, fields, frozen=True, kw_only=True, gc=False, module=model.__module__)


def _narrowed(hint: Any) -> Any:
    inner = _struct_in(hint)
    if inner is None:
        return hint
    narrow = _cut_down(inner, whole_objects=False)
    return narrow | None if NoneType in get_args(hint) else narrow


def _struct_in(hint: Any) -> type[Struct] | None:
    """The struct that a hint names, alone or beside None."""
    for part in get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,):
        if isinstance(part, type) and issubclass(part, Struct):
            return part
    return None
