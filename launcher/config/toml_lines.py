"""Line numbers of the tables and keys in a TOML file, which the parser does not report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*([A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+)*|"[^"\\]*")\s*=""")
_LONG = re.compile(r'"""|\'\'\'')


def line_numbers(text: str) -> dict[str, int]:
    """Line numbers (from 1) of tables and keys, by the paths that faults have: `rules[2].text`.

    It finds tables, arrays of tables and the keys in them, and nothing inside a value.
    """
    numbers: dict[str, int] = {}
    counts: Counter[str] = Counter()
    place = ""
    for number, line in _outside_long_texts(text):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            name = _path(header[2], counts)
            if header[1] == "[[":
                counts[name] += 1
                name = f"{name}[{counts[name] - 1}]"
            place = name
            numbers.setdefault(place, number)
        elif key:
            name = _path(key[1], Counter())
            numbers.setdefault(f"{place}.{name}" if place else name, number)
    return numbers


def line_of(path: str, numbers: dict[str, int]) -> int:
    """The line of a path, or of the nearest table around it; 0 where neither is in the file."""
    while path:
        if path in numbers:
            return numbers[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return 0


def _outside_long_texts(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without the continuation lines of multi-line strings."""
    closing = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not closing:
            yield number, line
        for quotes in _LONG.findall(line):
            if not closing:
                closing = quotes
            elif quotes == closing:
                closing = ""


def _path(dotted: str, counts: Counter[str]) -> str:
    """A dotted name as a path; within an array of tables, in its latest one."""
    path = ""
    parts = [part.strip().strip("\"'") for part in dotted.split(".")]
    for place, part in enumerate(parts):
        path = f"{path}.{part}" if path else part
        if place < len(parts) - 1 and counts[path]:
            path = f"{path}[{counts[path] - 1}]"
    return path
