"""Builds structs field by field from a config, so that every fault is found and not only the first."""

from __future__ import annotations

import difflib
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from launcher.config.secrets import FILE, SecretError, read_secret
from launcher.errors import Fault
from sources.secret import Secret

T = TypeVar("T", bound=Struct)

Check = Callable[[Any], Iterable[tuple[str, str]]]
"""A check of a value beyond its type: yields (place within the value or "", reason)."""


class FromEnvironment(Struct, frozen=True):
    """A value from an environment variable."""

    name: str
    text: str


class FieldReader:
    """Reads tables into structs and collects the faults. `directory`: `file:` paths are relative to it."""

    def __init__(self, directory: Path, checks: Mapping[tuple[type, str], Check]) -> None:
        self.faults: list[Fault] = []
        self._directory = directory
        self._checks = checks

    def fault(self, path: str, reason: str) -> None:
        """Add one fault to the list."""
        self.faults.append(Fault(path, reason))

    def table(self, raw: object, path: str) -> dict[str, Any]:
        """The table, or an empty one and a fault."""
        if isinstance(raw, dict):
            return raw
        self.fault(path, "expected a table")
        return {}

    def from_file(self, raw: object, path: str) -> object:
        """Return the content of the file if the value is `file:PATH`, else the value itself."""
        text = raw.text if isinstance(raw, FromEnvironment) else raw
        if not isinstance(text, str) or not text.startswith(FILE):
            return raw
        where = raw.name if isinstance(raw, FromEnvironment) else path
        try:
            content = read_secret(text, directory=self._directory, from_environment=True).reveal().decode()
        except SecretError as error:
            self.fault(where, str(error))
            return ""
        except UnicodeDecodeError:
            self.fault(where, "the content of its file is not UTF-8")
            return ""
        return FromEnvironment(raw.name, content) if isinstance(raw, FromEnvironment) else content

    def struct(self, cls: type[T], raw: object, path: str) -> T | None:
        """The struct, or None and its faults."""
        before = len(self.faults)
        table = self.table(raw, path)
        if len(self.faults) > before:
            return None
        fields = {field.encode_name: field for field in structs.fields(cls)}
        tag = cls.__struct_config__.tag_field
        for key in table:
            if key not in fields and key != tag:
                self.fault(joined(path, key), unknown("setting", key, [*fields, *([tag] if tag else [])]))
        values = {}
        for name, field in fields.items():
            if name in table:
                values[field.name] = self._value(cls, field, table[name], joined(path, name))
            elif field.required:
                self.fault(joined(path, name), "missing")
        return cls(**values) if len(self.faults) == before else None

    def tagged(self, kinds: tuple[type[T], ...], raw: object, path: str, default: str | None = None) -> T | None:
        """The struct whose tag is named in the table, or None and its faults."""
        by_tag = {str(cls.__struct_config__.tag): cls for cls in kinds}
        field = kinds[0].__struct_config__.tag_field or "kind"
        tag = self.table(raw, path).get(field, default)
        if not isinstance(raw, dict):
            return None
        where, name = (tag.name, tag.text) if isinstance(tag, FromEnvironment) else (joined(path, field), tag)
        if name is None:
            self.fault(where, f"missing: say {one_of(by_tag)}")
        elif not isinstance(name, str) or name not in by_tag:
            self.fault(where, f"expected {one_of(by_tag)}{did_you_mean(name, by_tag)}")
        else:
            return self.struct(by_tag[name], raw, path)
        return None

    def _value(self, cls: type, field: structs.FieldInfo, raw: object, path: str) -> object:
        kind = bare(field.type)
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self.struct(kind, raw, path)
        where = raw.name if isinstance(raw, FromEnvironment) else path
        if _holds_secrets(kind):
            value = self._secrets(kind, raw, where)
        else:
            try:
                value = _converted(field.type, raw)
            except _UnfitError as unfit:
                self.fault(where + unfit.place, unfit.reason)
                return None
        if value is None:
            return None
        for place, reason in self._checks.get((cls, field.name), _no_check)(value):
            self.fault(where + place, reason)
        return value

    def _secrets(self, kind: Any, raw: object, where: str) -> object:
        from_environment = isinstance(raw, FromEnvironment)
        many = get_origin(kind) is tuple
        items: object = raw
        if isinstance(raw, FromEnvironment):
            items = _split(raw.text) if many else raw.text
        if many and not isinstance(items, list):
            self.fault(where, "expected a list")
            return None
        secrets = []
        for index, item in enumerate(items if isinstance(items, list) else [items]):
            place = f"{where}[{index}]" if many and not from_environment else where
            if not isinstance(item, str):
                self.fault(place, "expected text")
                continue
            try:
                secrets.append(read_secret(item, directory=self._directory, from_environment=from_environment))
            except SecretError as error:
                self.fault(place, str(error))
        return tuple(secrets) if many else next(iter(secrets), None)


def joined(path: str, key: str) -> str:
    """The path of a key within a path, quoted where TOML would quote it."""
    name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)
    return f"{path}.{name}" if path else name


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The reason of a fault for a name that is not known."""
    known = list(known)
    return f"unknown {what}" + (did_you_mean(name, known) or f"; known: {', '.join(sorted(known))}")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`, did you mean x?` or nothing."""
    close = difflib.get_close_matches(name, list(known), 1) if isinstance(name, str) else []
    return f", did you mean {close[0]}?" if close else ""


def one_of(choices: Iterable[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


class _UnfitError(Exception):
    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place


_AT = re.compile(r" - at `(?:key` in `)?\$(.*)`$")


def _converted(kind: Any, raw: object) -> object:
    environment = isinstance(raw, FromEnvironment)
    value = _parsed(bare(kind), raw.text) if isinstance(raw, FromEnvironment) else raw
    try:
        value = msgspec.convert(value, kind, strict=not environment)
    except msgspec.ValidationError as error:
        raise _unfit(kind, str(error), environment=environment) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise _UnfitError("expected a finite number")
    return value


def _unfit(kind: Any, message: str, *, environment: bool) -> _UnfitError:
    if get_origin(bare(kind)) is Literal:
        return _UnfitError(f"expected {one_of(get_args(bare(kind)))}")
    at = _AT.search(message)
    reason = _AT.sub("", message)
    if environment:
        reason = reason.split(", got")[0]
    return _UnfitError(reason[:1].lower() + reason[1:], at.group(1) if at else "")


def _parsed(kind: Any, text: str) -> object:
    origin = get_origin(kind) or kind
    if origin in (tuple, list, set, frozenset):
        return _split(text)
    if origin is dict:
        pairs = [part.partition("=") for part in _split(text)]
        if not all(equals for _, equals, _ in pairs):
            raise _UnfitError("expected name=value, separated by commas")
        return {name.strip(): value.strip() for name, _, value in pairs}
    return text if origin is str else text.strip()


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def bare(kind: Any) -> Any:
    """The type without annotations and without `| None`."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, types.UnionType):
        others = [arg for arg in get_args(kind) if arg is not type(None)]
        return bare(others[0]) if len(others) == 1 else kind
    return kind


def is_of_structs(kind: Any) -> bool:
    """True for a table of tables, which is documented as a section of its own."""
    values = get_args(kind)[1:] if get_origin(kind) is dict else ()
    return any(isinstance(value, type) and issubclass(value, Struct) for value in values)


def _holds_secrets(kind: Any) -> bool:
    return kind is Secret or (get_origin(kind) is tuple and typing.get_args(kind)[:1] == (Secret,))


def _no_check(_: object) -> tuple[tuple[str, str], ...]:
    return ()
