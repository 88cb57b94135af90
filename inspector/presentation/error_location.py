"""The lines of a body, with the line of the error marked.

A JSON body is indented, and a form is shown as the JSON of its parameters. The marked line is the one where the
value at the path of the error begins; if the last keys of the path are missing, it is the line of the object that
they are missing from. A body that is not JSON is shown as text, with a new, marked line at the byte where decoding
fails. Only the lines around the mark are returned.

Paths have the format of msgspec: `$.data.items[3].price`. Keys are literal, even with dots in them. A path is
followed up to `[...]`, which means any item.
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
from inspector.privacy.readable_body import is_form, value_of

MAX_CHARS = 64 * 1024
"""Most characters of a body that are shown, before control characters are escaped."""

_MAX_LINES = 8000
_MAX_INDENT = 64
_MAX_PATH_CHARS = 2000
_SIBLINGS_BEFORE = 20
_INDEX = re.compile(r"\[(\d{1,9})\]")
_AT_BYTE = re.compile(r"\(byte (\d{1,12})\)$")

_encode = msgspec.json.Encoder().encode

ChildPath = tuple[int, ...]
"""The position of a value: its index among the children of each container, from the root on."""


class BodyLine(Struct, frozen=True):
    """A line of a body, without a line break and without control characters."""

    text: str
    is_marked: bool = False


class MarkedBody(Struct, frozen=True):
    """The lines of a body."""

    form: Literal["json", "form", "text", "hidden"]
    """`form`: the parameters of a form, as JSON. `text`: neither JSON nor a form. `hidden`: neither, and no lines,
    since personal data in it cannot be masked."""

    lines: tuple[BodyLine, ...] = ()


def locate_error(body: bytes, path: str, *, masking: Masking | None) -> MarkedBody:
    """The body with the value at `path` marked; no mark for "". `masking` None shows all data. Never raises."""
    try:
        # This error has the offset in the body. That of msgspec has the offset in a string.
        body.decode()
        value = value_of(body)
        shown = value if masking is None else masking.value(value)
    except (ValueError, RecursionError) as error:
        return (
            MarkedBody("hidden")
            if masking
            else MarkedBody("text", tuple(_undecodable_lines(body, _failed_at(body, error) if path else None)))
        )
    return MarkedBody("form" if is_form(body) else "json", tuple(_json_lines(shown, _child_path(value, path))))


def _failed_at(body: bytes, error: Exception) -> int | None:
    """The offset of the byte at which decoding fails; None if the error does not say."""
    if isinstance(error, UnicodeDecodeError):
        return error.start
    message = str(error)
    offset = _AT_BYTE.search(message)
    # msgspec reports the position after the first trailing character, and after a whole invalid word.
    if offset:
        return min(int(offset[1]) - ("trailing characters" in message), len(body) - 1)
    return len(body) if "truncated" in message else None


def _undecodable_lines(body: bytes, at: int | None) -> Iterator[BodyLine]:
    start = 0 if at is None else max(0, min(at - MAX_CHARS // 2, len(body) - MAX_CHARS))
    end = min(len(body), start + MAX_CHARS)
    if start:
        yield BodyLine(f"... {count_of(start, 'byte')} before")
    yield from _text_lines(body[start : end if at is None else at])
    if at is not None:
        first, *others = _text_lines(body[at:end]) or [BodyLine("(the body ends here)")]
        yield BodyLine(first.text, is_marked=True)
        yield from others
    if end < len(body):
        yield BodyLine(f"... {count_of(len(body) - end, 'more byte')}")


def _text_lines(data: bytes) -> list[BodyLine]:
    lines = data.decode("utf-8", "backslashreplace").split("\n") if data else []
    return [BodyLine(printable(line)) for line in lines]


def _child_path(root: Any, path: str) -> ChildPath | None:
    """The position of the value at a path, or of its last existing parent; None without a path."""
    # A key may contain dots and brackets, so every key that the rest of the path begins with is tried.
    if not path.startswith("$"):
        return None
    best: ChildPath = ()
    least = len(path)
    pending: list[tuple[Any, str, ChildPath]] = [(root, path[1 : 1 + _MAX_PATH_CHARS], ())]
    while pending:
        value, rest, trail = pending.pop()
        if len(rest) < least:
            best, least = trail, len(rest)
        if not rest:
            break
        pending += [(inner, left, (*trail, position)) for position, inner, left in _next(value, rest)]
    return best


def _next(value: Any, rest: str) -> Iterator[tuple[int, Any, str]]:
    """The children that the path can continue with: (index, child, rest of the path)."""
    if isinstance(value, dict) and rest[0] == ".":
        for position, (key, inner) in enumerate(value.items()):
            left = rest[1 + len(key) :]
            if rest.startswith(key, 1) and left[:1] in {"", ".", "["}:
                yield position, inner, left
    index = _INDEX.match(rest) if isinstance(value, list) else None
    if index and int(index[1]) < len(value):
        yield int(index[1]), value[int(index[1])], rest[index.end() :]


def _json_lines(root: Any, trail: ChildPath | None) -> Iterator[BodyLine]:
    """The lines from the start if the mark is among them, else the lines around the mark."""
    lines, is_whole = _limited(_lines(root, trail))
    if trail and not any(line.is_marked for line in lines):
        *way, position = trail
        parent = root
        for step in way:
            parent = _child(parent, step)
        yield BodyLine("... lines before")
        for start in (max(0, position - _SIBLINGS_BEFORE), position):
            lines, is_whole = _limited(_lines(parent, (position,), start=start))
            if any(line.is_marked for line in lines):
                break
        is_whole = False
    yield from lines
    if not is_whole:
        yield BodyLine("... lines after")


def _limited(lines: Iterator[BodyLine]) -> tuple[list[BodyLine], bool]:
    """(the lines within the limits, whether these are all)."""
    shown: list[BodyLine] = []
    room = MAX_CHARS
    for line in lines:
        if room <= 0 or len(shown) == _MAX_LINES:
            return shown, False
        cut = len(line.text) - room
        text = line.text if cut <= 0 else f"{line.text[:room]}... {count_of(cut, 'more character')}"
        shown.append(BodyLine(printable_json(text), line.is_marked))
        room -= len(line.text) + 1
    return shown, True


class _OpenContainer(Struct):
    """A container whose children are being formatted."""

    children: Iterator[tuple[int, str, Any]]
    """(index, key with its colon, value)."""

    last: int
    """Index of the last child."""

    end: str
    trail: ChildPath | None
    """Path from here to the mark; None if the mark is not in this container."""


def _lines(root: Any, trail: ChildPath | None, *, start: int = 0) -> Iterator[BodyLine]:
    """Indented JSON, line by line; for the root, only the children from `start` on. Does not recurse."""
    containers = [_OpenContainer(iter([(0, "", root)]), 0, "", None if trail is None else (0, *trail))]
    while containers:
        container = containers[-1]
        child = next(container.children, None)
        if child is None:
            containers.pop()
            if containers:
                yield BodyLine(_indent(containers) + container.end)
            continue
        position, key, value = child
        below = container.trail[1:] if container.trail and container.trail[0] == position else None
        comma = "" if position == container.last else ","
        begin, end = _brackets(value)
        yield BodyLine(_indent(containers) + key + begin + ("" if end else comma), is_marked=below == ())
        if end:
            children = _children(value, start if len(containers) == 1 else 0)
            containers.append(_OpenContainer(children, len(value) - 1, end + comma, below))


def _indent(containers: list[_OpenContainer]) -> str:
    return " " * min(2 * (len(containers) - 1), _MAX_INDENT)


def _brackets(value: Any) -> tuple[str, str]:
    """The brackets of a container with children; for any other value, (its JSON, "")."""
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
