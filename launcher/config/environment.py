"""HOOKLINE_SECTION_KEY: what the environment adds to the config's tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from launcher.config.struct_reader import FromEnvironment, bare, is_of_structs, unknown
from launcher.errors import Fault

PREFIX = "HOOKLINE_"
CONFIG = "HOOKLINE_CONFIG"
REDIS_URL = "REDIS_URL"

Schema = Mapping[str, tuple[type[Struct], ...]]

_SERVICE_LINK = re.compile(r".*_SERVICE_(HOST|PORT)(_.+)?|.*_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?")


def overlay(tables: dict[str, Any], environ: Mapping[str, str], *, sections: Schema, named: Schema) -> list[Fault]:
    """Put each variable's value at its place in `tables`, over the value there. Returns the faults.

    `sections`: the structs of `[NAME]`; `named`: those of `[SECTION.NAME]`, whose NAME may come from the variable
    alone, and whose SECTION may be inside another one (`inspector.users`). An empty variable counts as not set.
    """
    # Compose files pass on variables that are not set as empty ones.
    if environ.get(REDIS_URL, "").strip():
        _put(tables, ("redis", "url"), FromEnvironment(REDIS_URL, environ[REDIS_URL]))
    faults = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable == CONFIG or is_service_link(variable, text):
            continue
        place = _place(variable[len(PREFIX) :], tables, sections, named)
        if place is None:
            known = [PREFIX + name for name in _all_names(tables, sections, named)]
            faults.append(Fault(variable, unknown("variable", variable, known).split(";")[0]))
        elif text.strip():
            _put(tables, place, FromEnvironment(variable, text))
    return faults


def is_service_link(variable: str, text: str) -> bool:
    """True for variables that Kubernetes or Docker set for a service called hookline or hookline-receiver."""
    if variable.endswith("_PORT") and re.match(r"(tcp|udp|sctp)://", text):
        return True
    return _SERVICE_LINK.fullmatch(variable) is not None


def as_variable(name: str) -> str:
    """A source's or channel's name as it is written in a variable."""
    return name.upper().replace("-", "_")


def _place(rest: str, tables: Mapping[str, Any], sections: Schema, named: Schema) -> tuple[str, ...] | None:
    if rest == "RULES":
        return ("rules",)
    for section, kinds in sections.items():
        place = _settable(kinds).get(rest.removeprefix(f"{section.upper()}_"))
        if rest.startswith(f"{section.upper()}_") and place:
            return (section, *place)
    for section, kinds in named.items():
        if rest.startswith(f"{_upper(section)}_"):
            return _named_place(section, rest[len(section) + 1 :], tables, _settable(kinds))
    return None


def _named_place(
    section: str, rest: str, tables: Mapping[str, Any], settable: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...] | None:
    above = section.split(".")
    for name in sorted(names_of(tables, section), key=len, reverse=True):
        place = settable.get(rest.removeprefix(f"{as_variable(name)}_"))
        if rest.startswith(f"{as_variable(name)}_") and place:
            return (*above, name, *place)
    for key in sorted(settable, key=len, reverse=True):
        name = rest.removesuffix(f"_{key}")
        if name and name != rest:
            return (*above, name.lower(), *settable[key])
    return None


def _settable(kinds: tuple[type[Struct], ...]) -> dict[str, tuple[str, ...]]:
    """Every setting of these structs: RETRY_ATTEMPTS -> (retry, attempts)."""
    return {"_".join(place).upper(): place for kind in kinds for place in _leaves(kind)}


def _leaves(kind: type[Struct]) -> Iterator[tuple[str, ...]]:
    if kind.__struct_config__.tag_field:
        yield (kind.__struct_config__.tag_field,)
    for field in structs.fields(kind):
        inner = bare(field.type)
        if isinstance(inner, type) and issubclass(inner, Struct):
            yield from ((field.name, *rest) for rest in _leaves(inner))
        elif not is_of_structs(field.type):
            yield (field.name,)


def _all_names(tables: Mapping[str, Any], sections: Schema, named: Schema) -> Iterator[str]:
    yield "CONFIG"
    yield "RULES"
    for section, kinds in sections.items():
        yield from (f"{section.upper()}_{key}" for key in _settable(kinds))
    for section, kinds in named.items():
        for name in names_of(tables, section) or ["voucherify" if section == "sources" else "NAME"]:
            yield from (f"{_upper(section)}_{as_variable(name)}_{key}" for key in _settable(kinds))


def names_of(tables: Mapping[str, Any], section: str) -> list[str]:
    """The names of `[SECTION.NAME]` tables; a section within a section is written with a dot."""
    table: Any = tables
    for key in section.split("."):
        table = table.get(key) if isinstance(table, dict) else None
    return list(table) if isinstance(table, dict) else []


def _upper(section: str) -> str:
    return section.upper().replace(".", "_")


def _put(tables: dict[str, Any], place: tuple[str, ...], value: FromEnvironment) -> None:
    *above, key = place
    table: Any = tables
    for name in above:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):  # a fault of the file, which is reported when it is read
            return
    table[key] = value
