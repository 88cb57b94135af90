"""Fields that Hookline validates, and models that have only those.

A vendor adds keys and changes types. A change in a field that no rule, notification or identity needs must not
stop an event, so intake validates only the marked fields and skips the others; drift reports those.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

_MARK = "validated"
_T = TypeVar("_T")

Validated = Annotated[_T, _MARK]
"""A field that Hookline needs: a wrong type in it makes the body a dead letter."""


def with_validated_fields_only(model: type[Struct]) -> type[Struct]:
    """Return the model of an event's `data` with only the validated fields of each object in it."""
    return _reduced(model, whole_objects=True)


@cache
def _reduced(model: type[Struct], *, whole_objects: bool) -> type[Struct]:
    """`whole_objects`: look into objects that are not marked themselves, as those directly under `data`."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    hints = get_type_hints(model, include_extras=True)
    for field in msgspec.structs.fields(model):
        hint = hints[field.name]
        marked = get_origin(hint) is Annotated and _MARK in get_args(hint)
        if not marked and not (whole_objects and _struct_in(hint)):
            continue
        reduced = (field.encode_name, _reduced_type(get_args(hint)[0] if marked else hint))
        fields.append(reduced if field.required else (*reduced, field.default))
    return msgspec.defstruct(model.__name__, fields, frozen=True, kw_only=True, gc=False, module=model.__module__)


def _reduced_type(hint: Any) -> Any:
    inner = _struct_in(hint)
    if inner is None:
        return hint
    reduced = _reduced(inner, whole_objects=False)
    return reduced | None if NoneType in get_args(hint) else reduced


def _struct_in(hint: Any) -> type[Struct] | None:
    """Return the struct that a hint names, alone or beside None."""
    for part in get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,):
        if isinstance(part, type) and issubclass(part, Struct):
            return part
    return None
