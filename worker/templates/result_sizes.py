"""Checks of operations that widen a text: by their arguments, the result must not be too long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from string import Formatter
from typing import Any

from worker.templates.budget import MAX_CHARS, TooMuchError, too_long, weight

MAX_WIDTH = 10_000
"""Largest width of a field, margin or indentation."""

_MAX_LINES = 10_000
"""Lines that wrapping may make; wrapping is slow."""

_PERCENT = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(\*|[0-9]+)?(?:\.(\*|[0-9]+))?[hlL]?(.)", re.DOTALL)
_NUMBERS = re.compile("[0-9]+")


def check_percent(text: str, argument: Any) -> None:
    """Check `text % argument`, and the filter `format`."""
    arguments = argument if isinstance(argument, tuple) else (argument,)
    widths = [width for *pair, _ in _PERCENT.findall(text) for width in pair if width]
    _check_fields(text, len(_PERCENT.findall(text)), widths, arguments)


def check_format(text: str, arguments: Iterable[Any]) -> None:
    """Check `text.format(...)`, also with fields within the format of a field."""
    try:
        fields = [(name, spec or "") for _, name, spec, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return  # the method itself raises the error
    widths = [width for _, spec in fields for width in [*_NUMBERS.findall(spec), *("*" * spec.count("{"))]]
    _check_fields(text, len(fields), widths, tuple(arguments))


def _check_fields(text: str, fields: int, widths: list[str], arguments: tuple[Any, ...]) -> None:
    """Check fields; a width `*` is given by an argument."""
    values = [
        value
        for argument in arguments
        for value in (argument.values() if isinstance(argument, Mapping) else (argument,))
    ]
    widest = max((value for value in values if isinstance(value, int)), default=0)
    named = [widest if width == "*" else int(width[:9]) for width in widths]
    if max(named, default=0) > MAX_WIDTH:
        raise TooMuchError(f"a field is wider than {MAX_WIDTH}")
    longest = max(map(weight, values), default=0)
    if len(text) + sum(named) + fields * longest > MAX_CHARS:
        raise too_long("the format")


def joined(separator: Any, items: Iterable[Any]) -> Iterator[Any]:
    """Yield the items that are to be joined. Raises TooMuchError as soon as they are too long together."""
    between, total = len(str(separator)), 0
    for item in items:
        total += weight(item) + between
        if total > MAX_CHARS:
            raise too_long("join")
        yield item


def check_replacing(text: str, old: Any = "", new: Any = "") -> None:
    """Check `replace`, filter and method."""
    if len(text) + text.count(str(old)) * len(str(new)) > MAX_CHARS:
        raise too_long("replace")


def check_translating(text: str, table: Any) -> None:
    """Check the method `text.translate(table)`."""
    values = table.values() if isinstance(table, Mapping) else ()
    longest = max((len(value) for value in values if isinstance(value, str)), default=1)
    if len(text) * longest > MAX_CHARS:
        raise too_long("translate")


def check_widths(what: str, arguments: Iterable[Any]) -> None:
    """Check the widths among the arguments."""
    if any(isinstance(argument, int) and argument > MAX_WIDTH for argument in arguments):
        raise TooMuchError(f"{what} by more than {MAX_WIDTH}")


def check_lines(text: str, what: str, width: Any, separator: str) -> None:
    """Check operations that add a width at each separator: `indent` at line ends, `expandtabs` at tabs."""
    wide = len(width) if isinstance(width, str) else width if isinstance(width, int) else 0
    if (text.count(separator) + 1) * wide + len(text) > MAX_CHARS:
        raise too_long(what)


def check_wrapping(text: str, width: Any) -> None:
    """Check the filter `wordwrap`."""
    lines = len(text) // max(1, width if isinstance(width, int) else 1)
    if lines > _MAX_LINES:
        raise TooMuchError(f"wordwrap makes more than {_MAX_LINES} lines")
