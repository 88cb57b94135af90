"""A body to read, with the place marked where it went wrong.

A sound body is indented JSON, and the line is marked that begins the value at the path of the error; of a path
whose last keys are not there, the line of what they are missing from. What is not JSON is text, with a line that
begins where decoding fails, and that one is marked. Both are bounded, to what is around
the mark.

Paths are as msgspec has them: `$.data.items[3].price`, keys as they are, even with dots in them; `[...]`, which
stands for any item, leads no further.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import msgspec
from msgspec import Struct

from inspector.formatting import count_of, printable, printable_json
from inspector.privacy.masking import Masking

MAX_CHARS = 64 * 1024
"""Of the body's text, before control characters are spelt out."""

_MAX_LINES = 8000
_MAX_INDENT = 64
_MAX_PATH_CHARS = 2000
_SIBLINGS_BEFORE = 20
_INDEX = re.compile(r"\[(\d{1,9})\]")
_AT_BYTE = re.compile(r"\(byte (\d{1,12})\)$")

_encode = msgspec.json.Encoder().encode

Trail = tuple[int, ...]
"""Where a value is: its place among the children of each container on the way, from the root on."""


class Line(Struct, frozen=True):
    """One line, without its end and without anything that could steer a terminal."""

    text: str
    is_marked: bool = False


class Marked(Struct, frozen=True):
    """A body to read."""

    form: Literal["json", "text", "hidden"]
    """`text`: it is not JSON. `hidden`: nor is it, and no line is shown: personal data in it cannot be masked."""

    lines: tuple[Line, ...] = ()


def marked(body: bytes, path: str, *, masking: Masking | None) -> Marked:
    """The body with the value at `path` marked, "" for no mark; `masking` None reveals all. Never raises."""
    try:
        body.decode()  # msgspec would tell where in a string, not where in the body
        value = msgspec.json.decode(body)
        shown = value if masking is None else masking.value(value)
    except (ValueError, RecursionError) as error:
        return (
            Marked("hidden")
            if masking
            else Marked("text", tuple(_broken(body, _failed_at(body, error) if path else None)))
        )
    return Marked("json", tuple(_json(shown, _trail(value, path))))


def _failed_at(body: bytes, error: Exception) -> int | None:
    """The byte at which decoding fails, None where nothing tells."""
    if isinstance(error, UnicodeDecodeError):
        return error.start
    told = str(error)
    found = _AT_BYTE.search(told)
    if found:  # msgspec has read the first of trailing characters already, and of a wrong word all
        return min(int(found[1]) - ("trailing characters" in told), len(body) - 1)
    return len(body) if "truncated" in told else None


def _broken(body: bytes, at: int | None) -> Iterator[Line]:
    start = 0 if at is None else max(0, min(at - MAX_CHARS // 2, len(body) - MAX_CHARS))
    end = min(len(body), start + MAX_CHARS)
    if start:
        yield Line(f"... {count_of(start, 'byte')} before")
    yield from _text(body[start : end if at is None else at])
    if at is not None:
        first, *others = _text(body[at:end]) or [Line("(here it ends)")]
        yield Line(first.text, is_marked=True)
        yield from others
    if end < len(body):
        yield Line(f"... {count_of(len(body) - end, 'more byte')}")


def _text(data: bytes) -> list[Line]:
    lines = data.decode("utf-8", "backslashreplace").split("\n") if data else []
    return [Line(printable(line)) for line in lines]


def _trail(root: Any, path: str) -> Trail | None:
    """The way to the value at a path, or as far as it leads; None for no path.

    A key may hold what looks like the next steps, so each key that the path goes on with is tried.
    """
    if not path.startswith("$"):
        return None
    best: Trail = ()
    least = len(path)
    open_: list[tuple[Any, str, Trail]] = [(root, path[1 : 1 + _MAX_PATH_CHARS], ())]
    while open_:
        value, rest, trail = open_.pop()
        if len(rest) < least:
            best, least = trail, len(rest)
        if not rest:
            break
        open_ += [(inner, left, (*trail, position)) for position, inner, left in _next(value, rest)]
    return best


def _next(value: Any, rest: str) -> Iterator[tuple[int, Any, str]]:
    """The children that a path can go on with: position, child, what is left of the path."""
    if isinstance(value, dict) and rest[0] == ".":
        for position, (key, inner) in enumerate(value.items()):
            left = rest[1 + len(key) :]
            if rest.startswith(key, 1) and left[:1] in {"", ".", "["}:
                yield position, inner, left
    index = _INDEX.match(rest) if isinstance(value, list) else None
    if index and int(index[1]) < len(value):
        yield int(index[1]), value[int(index[1])], rest[index.end() :]


def _json(root: Any, trail: Trail | None) -> Iterator[Line]:
    """The whole where the mark is in the first part of it; else what is around the mark."""
    lines, is_whole = _first(_lines(root, trail))
    if trail and not any(line.is_marked for line in lines):
        *way, position = trail
        parent = root
        for step in way:
            parent = _child(parent, step)
        yield Line("... what is before")
        for start in (max(0, position - _SIBLINGS_BEFORE), position):
            lines, is_whole = _first(_lines(parent, (position,), start=start))
            if any(line.is_marked for line in lines):
                break
        is_whole = False
    yield from lines
    if not is_whole:
        yield Line("... what is behind")


def _first(lines: Iterator[Line]) -> tuple[list[Line], bool]:
    """As many lines as may be shown, and whether these are all."""
    found: list[Line] = []
    room = MAX_CHARS
    for line in lines:
        if room <= 0 or len(found) == _MAX_LINES:
            return found, False
        cut = len(line.text) - room
        text = line.text if cut <= 0 else f"{line.text[:room]}... {count_of(cut, 'more character')}"
        found.append(Line(printable_json(text), line.is_marked))
        room -= len(line.text) + 1
    return found, True


class _Open(Struct):
    """A container whose children are being written."""

    children: Iterator[tuple[int, str, Any]]
    """Position, key with its colon, value."""

    last: int
    """Position of the last child."""

    end: str
    trail: Trail | None
    """The way from here to the mark, None off that way."""


def _lines(root: Any, trail: Trail | None, *, start: int = 0) -> Iterator[Line]:
    """Indented JSON, line by line; of the root itself only the children from `start` on. Without recursion."""
    within = [_Open(iter([(0, "", root)]), 0, "", None if trail is None else (0, *trail))]
    while within:
        here = within[-1]
        child = next(here.children, None)
        if child is None:
            within.pop()
            if within:
                yield Line(_indent(within) + here.end)
            continue
        position, key, value = child
        ahead = here.trail[1:] if here.trail and here.trail[0] == position else None
        comma = "" if position == here.last else ","
        begin, end = _brackets(value)
        yield Line(_indent(within) + key + begin + ("" if end else comma), is_marked=ahead == ())
        if end:
            children = _children(value, start if len(within) == 1 else 0)
            within.append(_Open(children, len(value) - 1, end + comma, ahead))


def _indent(within: list[_Open]) -> str:
    return " " * min(2 * (len(within) - 1), _MAX_INDENT)


def _brackets(value: Any) -> tuple[str, str]:
    """What begins and ends a value with children; any other value and ""."""
    if isinstance(value, (dict, list)) and value:
        return ("{", "}") if isinstance(value, dict) else ("[", "]")
    return _encode(value).decode(), ""


def _children(value: dict[str, Any] | list[Any], start: int) -> Iterator[tuple[int, str, Any]]:
    if isinstance(value, dict):
        pairs = ((f"{_encode(key).decode()}: ", inner) for key, inner in value.items())
    else:
        pairs = (("", inner) for inner in value)
    return ((number, key, inner) for number, (key, inner) in islice(enumerate(pairs), start, None))


def _child(value: dict[str, Any] | list[Any], position: int) -> Any:
    return next(islice(value.values() if isinstance(value, dict) else value, position, None))
