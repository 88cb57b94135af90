"""How templates print values other than texts: containers as JSON, with numbers as they were written."""

from __future__ import annotations

from typing import Any

import msgspec
from jinja2 import Undefined

from sources.written_number import as_json
from worker.templates.budget import MAX_CHARS, too_long, weight

_PLAIN = (str, int, float)
_CONTAINERS = (list, tuple, dict)


def as_text(value: Any) -> Any:
    """The text that a template prints for a value: for a list or an object its JSON. Raises TooMuchError."""
    if isinstance(value, _PLAIN):
        return value
    weight(value)
    if not isinstance(value, _CONTAINERS):
        return value
    try:
        return _encode(value).decode()
    except (NotImplementedError, TypeError, ValueError):
        # A template can build what JSON cannot hold, for example a list of macros.
        return str(value)


def dumps(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """JSON for the filter `tojson`, spaced as `json.dumps` spaces it. Raises TooMuchError."""
    encode = _encode_sorted if sort_keys else _encode
    json = encode(value)
    if indent:
        # The compact JSON has a comma or a bracket wherever the indented one begins a line.
        lines = sum(json.count(sign) for sign in (b",", b"[", b"]", b"{", b"}"))
        if lines * _depth(value) * indent > MAX_CHARS:
            raise too_long("tojson")
    return msgspec.json.format(json, indent=indent or 0).decode()


def _depth(value: Any) -> int:
    """The depth to which containers are nested."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, _CONTAINERS)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def _other(value: Any) -> Any:
    """The encoder's hook for types that it does not know. Raises UndefinedError for a missing name."""
    if isinstance(value, Undefined):
        str(value)  # raises the error that names what is missing
    if isinstance(value, str):
        return str.__str__(value)  # jinja2 marks escaped texts by a class of its own
    return as_json(value)


_encode = msgspec.json.Encoder(enc_hook=_other).encode
_encode_sorted = msgspec.json.Encoder(enc_hook=_other, order="sorted").encode
