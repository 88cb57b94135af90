"""Where a payload is not as its event's model says: keys that are new, keys that are gone, types that changed.

Read off the models, which stay the only description of the schema. Objects that the models leave free (metadata,
rules) are not looked into, and findings carry names of keys and of types, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from msgspec import Struct, inspect

from sources.finding import Finding
from sources.voucherify.models import MODELS
from sources.voucherify.vendor import is_from_the_vendor, required_keys

MAX_FINDINGS = 20
MAX_DEPTH = 10
MAX_ITEMS = 5
"""Items of a list, or values of an object with keys of its own, that are looked at."""

_MAX_KEY = 60
_JSON_NAMES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_TYPES: dict[type[inspect.Type], tuple[type, ...]] = {
    inspect.StructType: (dict,),
    inspect.DictType: (dict,),
    inspect.ListType: (list,),
    inspect.StrType: (str,),
    inspect.IntType: (int,),
    inspect.FloatType: (float, int),
    inspect.BoolType: (bool,),
    inspect.NoneType: (type(None),),
}


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
    findings = dict.fromkeys(islice(_compare(_shape(MODELS[event_name]), data, root, 1), MAX_FINDINGS * MAX_ITEMS))
    return list(islice(findings, MAX_FINDINGS))


@cache
def _shape(model: type[Struct]) -> inspect.Type:
    return inspect.type_info(model)


def _compare(shape: inspect.Type, value: Any, path: str, depth: int) -> Iterator[Finding]:
    options = shape.types if isinstance(shape, inspect.UnionType) else (shape,)
    if any(isinstance(option, inspect.AnyType) for option in options):
        return
    fitting = next((option for option in options if type(value) in _TYPES[type(option)]), None)
    if fitting is None:
        expected = " or ".join(sorted(_JSON_NAMES[_TYPES[type(option)][0]] for option in options))
        yield Finding("changed type", path, expected, _JSON_NAMES[type(value)])
    elif depth < MAX_DEPTH:
        yield from _look_into(fitting, value, path, depth)


def _look_into(shape: inspect.Type, value: Any, path: str, depth: int) -> Iterator[Finding]:
    match shape:
        case inspect.StructType(fields=fields):
            yield from _compare_keys(fields, value, path, depth)
        case inspect.ListType(item_type=item):
            for found in value[:MAX_ITEMS]:
                yield from _compare(item, found, f"{path}[*]", depth + 1)
        case inspect.DictType(value_type=item):
            for found in islice(value.values(), MAX_ITEMS):
                yield from _compare(item, found, f"{path}[*]", depth + 1)


def _compare_keys(
    fields: tuple[inspect.Field, ...], value: dict[str, Any], path: str, depth: int
) -> Iterator[Finding]:
    known = {field.encode_name: field for field in fields}
    for key, found in value.items():
        field = known.get(key)
        if field is None:
            yield Finding("unknown key", f"{path}.{key[:_MAX_KEY]}", found=_JSON_NAMES[type(found)])
        else:
            yield from _compare(field.type, found, f"{path}.{key}", depth + 1)
    for key, field in known.items():
        if field.required and key not in value:
            yield Finding("missing key", f"{path}.{key}")
