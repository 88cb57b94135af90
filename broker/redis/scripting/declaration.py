"""The declarations of scripts and parts, and the check that their .lua files read exactly that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from broker.redis import keys as key_names
from broker.redis.keys import Names

if TYPE_CHECKING:
    from broker.redis.scripting.scripts import Part, Script

Records: TypeAlias = Mapping[str, type]
"""Structs or named tuples by the prefix of their index constants in Lua."""

_KINDS = ("text", "number", "packed", "key")
NAMES = vars(Names(""))
"""The names of keys.py without a prefix, by field."""

CONSTANTS = {name: repr(value) for name, value in vars(key_names).items() if name.isupper()}
"""The constants of keys.py, as Lua."""


class Key(NamedTuple):
    """A key that a script or part declares."""

    name: str
    """Lua reads it as `K.name`."""

    field: str
    """The field of `broker.redis.keys.Names`; empty where an argument is the whole key."""

    argument: str
    """The argument that completes it; empty for a key that has its whole name there."""


def kinds_of(script: str, args: Sequence[str], rest: str) -> dict[str, str]:
    """The kind of each argument, `rest` included."""
    kinds: dict[str, str] = {}
    for text in [*args, *([f"{rest}: rest"] if rest else [])]:
        name, _, kind = text.partition(": ")
        if not name.isidentifier() or name in kinds or (kind or "text") not in (*_KINDS, "rest"):
            raise ValueError(
                f"{script}: {text!r} is declared twice, or is no argument of kind {', '.join(_KINDS)}"
            )
        kinds[name] = kind or "text"
    return kinds


def key_of(script: str, text: str) -> Key:
    """Read `field`, `field:argument` or `field:argument as name`."""
    key, _, name = text.partition(" as ")
    field, _, argument = key.partition(":")
    if field not in NAMES or is_prefix(field) is not bool(argument):
        raise ValueError(
            f"{script}: {text!r} is no key of broker/redis/keys.py, or lacks the argument that completes it"
        )
    return Key(name or field, field, argument)


def is_prefix(field: str) -> bool:
    """Return whether a field of keys.py is a prefix, which an argument or the script completes to a key."""
    return field in NAMES and str(NAMES[field]).endswith(":")


def check(unit: Script | Part, *, bound: Collection[str]) -> None:
    """Raise ValueError where a .lua file and its declaration differ. bound: the arguments that are Lua locals."""
    source, parts, bound = unit.source, unit.parts, set(bound)
    shared = {name for part in parts for name in part.source.top_level}
    readable = bound | shared | CONSTANTS.keys() | indices_of([*parts, unit]).keys()
    read_prefixes = source.prefixes.union(*(part.source.prefixes for part in parts))
    completing = {key.argument for key in unit.keys}
    keys = [*unit.keys, *(key for part in parts for key in part.keys)]
    own, inherited = {key.name for key in unit.keys}, {key.name for part in parts for key in part.keys}
    problems = {
        "declares two keys with one name": {
            name for name in inherited | own if len({key for key in keys if key.name == name}) > 1
        },
        "completes keys with arguments that are not declared": completing - bound - {""} - _whole_keys(unit),
        "reads names that are not declared": source.free - readable,
        "reads keys that are not declared": source.keys - inherited - own,
        "reads prefixes that do not exist": {field for field in source.prefixes if not is_prefix(field)},
        "declares arguments that it does not read": bound - source.free - completing,
        "declares keys that it does not read": {
            key.name
            for key in unit.keys
            if key.name not in source.keys | inherited and key.field not in read_prefixes
        },
        "names an argument like a shared function": bound & shared,
    }
    for problem, names in problems.items():
        if names:
            raise ValueError(f"{unit.name}: {problem}: {', '.join(sorted(names))}")


def _whole_keys(unit: Script | Part) -> set[str]:
    """Arguments that are whole keys."""
    return {key.argument for key in unit.keys if not key.field}


def indices_of(units: Iterable[Script | Part]) -> dict[str, int]:
    """The index of each field of their records, by its name in Lua."""
    indices = {}
    for prefix, record in [record for unit in units for record in unit.records.items()]:
        fields = getattr(record, "__struct_fields__", None) or record._fields  # type: ignore[attr-defined]
        indices.update({f"{prefix}_{field.upper()}": index for index, field in enumerate(fields, 1)})
    return indices
