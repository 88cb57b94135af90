"""JSON paths of keys and indices: `type`, `data.items[0].id`, or `$` for the whole. No other syntax."""

from __future__ import annotations

import re
from typing import Any

JsonPath = tuple[str | int, ...]
"""The keys and indices from the outside to the inside; empty for the whole."""

MAX_STEPS = 16
MAX_INDEX = 999

_STEP = re.compile(r"(?:^|\.)([^.\[\]\s\"']{1,64})|\[(0|[1-9][0-9]{0,2})\]")


def parse_path(text: str) -> JsonPath:
    """Parse a path. Raises ValueError with the reason and an example."""
    rest = "" if text == "$" else text.removeprefix("$.") if text.startswith("$.") else text.removeprefix("$")
    if not text:
        raise ValueError("the path is empty: write it like type or data.items[0].id")
    steps: list[str | int] = []
    place = 0
    while place < len(rest):
        match = _STEP.match(rest, place)
        if match is None:
            raise ValueError(f"not a path at {rest[place : place + 16]!r}: write it like type or data.items[0].id")
        steps.append(match[1] if match[2] is None else int(match[2]))
        place = match.end()
    if len(steps) > MAX_STEPS:
        raise ValueError(f"the path has more than {MAX_STEPS} steps")
    return tuple(steps)


def value_at(content: Any, path: JsonPath) -> Any:
    """The value at a path; None if there is no such key or index."""
    for step in path:
        if isinstance(step, str):
            content = content.get(step) if isinstance(content, dict) else None
        else:
            content = content[step] if isinstance(content, list) and step < len(content) else None
    return content


def placed(content: Any, path: JsonPath, value: Any) -> Any:
    """A copy of the content with the value at a path. What is in the way is replaced."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        table = content if isinstance(content, dict) else {}
        return {**table, step: placed(table.get(step), rest, value)}
    items = list(content) if isinstance(content, list) else []
    items += [None] * (step + 1 - len(items))
    items[step] = placed(items[step], rest, value)
    return items
