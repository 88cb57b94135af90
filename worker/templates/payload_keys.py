"""Finds which keys of a payload a template reads, so that only these are decoded."""

from __future__ import annotations

from collections.abc import Iterable

from jinja2 import nodes

Keys = frozenset[str] | None
"""Keys of a payload; None for all of them."""

_WHOLE = "data"
"""The name under which templates see the whole payload."""


def names_in(parsed: nodes.Template) -> frozenset[str]:
    """The names in a template, also those that it gives to values itself."""
    return frozenset(node.name for node in parsed.find_all(nodes.Name))


def keys_read_by(parsed: nodes.Template) -> Keys:
    """The keys of the payload that a template may read, by their names or as fields of `data`."""
    names = names_in(parsed)
    uses = sum(node.name == _WHOLE for node in parsed.find_all(nodes.Name))
    # A method such as `data.items()` reads all keys.
    called = {id(call.node) for call in parsed.find_all(nodes.Call)}
    fields = [
        key
        for node in parsed.find_all((nodes.Getattr, nodes.Getitem))
        if id(node) not in called and (key := _field_of_data(node)) is not None
    ]
    return names.union(fields) if len(fields) == uses else None


def union(parts: Iterable[Keys]) -> Keys:
    """All keys that several templates may read."""
    keys: set[str] = set()
    for part in parts:
        if part is None:
            return None
        keys |= part
    return frozenset(keys)


def _field_of_data(node: nodes.Node) -> str | None:
    """The key of `data.key` or `data["key"]`; None for anything else."""
    match node:
        case nodes.Getattr(node=nodes.Name(name="data"), attr=str(key)):
            return key
        case nodes.Getitem(node=nodes.Name(name="data"), arg=nodes.Const(value=str(key))):
            return key
    return None
