"""Reading .lua files and the names in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from msgspec import Struct

# The keywords of Lua, what Redis gives a script, and `prefix`, which scripts.py binds in every script.
_BUILT_IN = frozenset(
    re.findall(
        r"\w+",
        """
        and break do else elseif end false for function if in local nil not or repeat return then true until while
        cjson cmsgpack ipairs math next pairs pcall redis string struct table tonumber tostring type unpack prefix
        """,
    )
)
_STRING = r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""
_IGNORED = re.compile(rf"--[^\n]*|{_STRING}")
_REPLACED = re.compile(rf"--[^\n]*|{_STRING}|\b[KP]\.\w+|\b[A-Z][A-Z0-9_]+\b")
# A name after a dot or a colon is a field, and one before a single `=` may be one: neither is read from outside.
_READ = re.compile(r"\.\.+|[.:]\s*[A-Za-z_]\w*|\b([A-Za-z_]\w*)\b(?!\s*=[^=])")
_FIELD = re.compile(r"\b([KP])\.(\w+)")
_NAMES = r"\w+(?:\s*,\s*\w+)*"
_DEFINED = re.compile(
    rf"\blocal\s+(?!function\b)({_NAMES})|\bfor\s+({_NAMES})|\bfunction\s*(\w*)\s*\(([^)]*)\)",
)
_TOP_LEVEL = re.compile(rf"^local\s+(?:function\s+(\w+)|({_NAMES}))", re.MULTILINE)


class LuaSource(Struct, frozen=True):
    """A .lua file and the names in it."""

    text: str
    free: frozenset[str]
    """Names that the file reads and does not define."""

    top_level: frozenset[str]
    """Names that the file defines for the files after it."""

    keys: frozenset[str]
    """Names of declared keys: `K.name`."""

    prefixes: frozenset[str]
    """Names of what the script completes to a key itself: `P.name`."""


@cache
def read(name: str) -> LuaSource:
    """The file of a script or part: `queue/claim` is broker/queue/lua/claim.lua."""
    *folders, file = name.split("/")
    path = resources.files("broker").joinpath(folders[0], "lua", *folders[1:], f"{file}.lua")
    return parse(path.read_text("utf-8"))


def parse(text: str) -> LuaSource:
    """Find the names in a Lua text. A name that any block defines counts as defined in the whole file."""
    code = _IGNORED.sub("''", text)
    fields = _FIELD.findall(code)
    defined = _names(_DEFINED, code)
    return LuaSource(
        text=text,
        free=frozenset(_READ.findall(code)) - {""} - defined - _BUILT_IN - {"K", "P"},
        top_level=frozenset(_names(_TOP_LEVEL, code)),
        keys=frozenset(field for table, field in fields if table == "K"),
        prefixes=frozenset(field for table, field in fields if table == "P"),
    )


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Replace names outside strings and comments by their values."""
    return _REPLACED.sub(lambda match: values.get(match[0], match[0]), text)


def _names(pattern: re.Pattern[str], code: str) -> set[str]:
    return {name for groups in pattern.findall(code) for group in groups for name in re.findall(r"\w+", group)}
