"""Dotted paths that say which places of a body are meant: `data.customer.metadata.*`, `**.iban`.

They begin at the body's root. A step is a key, as it is; `*` is any key, `**` any number of them, none as well.
Lists are walked through: `items.name` is the name in each item. Pure, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Steps = tuple[str, ...]
Ahead = frozenset[Steps]
"""What is still ahead of each path that has led here; `()` in it: one of them ends here."""

_MAX_CHARS = 200


def compiled(paths: Sequence[str]) -> Ahead:
    """The paths as they lie ahead of the root. Raises ValueError, which names the path and the reason."""
    return frozenset(open_ for path in paths for open_ in _opened(_steps(path)))


def stepped(ahead: Ahead, key: str) -> Ahead:
    """What is ahead one key further on."""
    return frozenset(_onward(ahead, key)) if ahead else ahead


def last_keys(paths: Sequence[str]) -> frozenset[str]:
    """The keys that paths end in, where they end in one."""
    return frozenset(path.rpartition(".")[2] for path in paths) - {"*", "**"}


def fault(path: str) -> str:
    """Why this is no dotted path, "" if it is one."""
    if len(path) > _MAX_CHARS:
        return f"longer than {_MAX_CHARS} characters"
    if path == "$" or path.startswith("$."):
        return "paths begin at the body's root: leave out $"
    if "[" in path:
        return "lists are walked through: write items.name, not items[0].name"
    steps = path.split(".")
    if "" in steps:
        return "a step is missing: write keys with single dots between them, like data.customer.metadata"
    if any("*" in step and step not in {"*", "**"} for step in steps):
        return "* stands for a whole key, ** for any number of them"
    return ""


def _steps(path: str) -> Steps:
    reason = fault(path)
    if reason:
        raise ValueError(f'"{path}": {reason}')
    return tuple(path.split("."))


def _opened(steps: Steps) -> Iterable[Steps]:
    """These steps, and what they come to where `**` stands for nothing."""
    yield steps
    while steps and steps[0] == "**":
        steps = steps[1:]
        yield steps


def _onward(ahead: Ahead, key: str) -> Iterable[Steps]:
    for steps in ahead:
        if not steps:
            continue
        if steps[0] == "**":
            yield from _opened(steps)
        elif steps[0] in {"*", key}:
            yield from _opened(steps[1:])
