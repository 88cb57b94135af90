"""Dotted paths that select values in a body: `data.customer.metadata.*`, `**.iban`.

A path begins at the body's root. A segment is a literal key; `*` matches any key, `**` any number of keys, or
none. Lists have no segment of their own: `items.name` is the name in each item. Pure, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Segments = tuple[str, ...]
RemainingPaths = frozenset[Segments]
"""The segments that are left of each path that matches so far. `()` among them: a path ends at this value."""

_MAX_CHARS = 200


def compile_paths(paths: Sequence[str]) -> RemainingPaths:
    """The paths as they apply to the root. Raises ValueError, which names the path and the reason."""
    return frozenset(expanded for path in paths for expanded in _expand_wildcard(_segments(path)))


def descend(remaining: RemainingPaths, key: str) -> RemainingPaths:
    """The segments that are left after `key`."""
    return frozenset(_matching(remaining, key)) if remaining else remaining


def last_keys(paths: Sequence[str]) -> frozenset[str]:
    """The last keys of the paths; a path that ends in a wildcard has none."""
    return frozenset(path.rpartition(".")[2] for path in paths) - {"*", "**"}


def path_error(path: str) -> str:
    """The error in a dotted path; "" if it is valid."""
    if len(path) > _MAX_CHARS:
        return f"longer than {_MAX_CHARS} characters"
    if path == "$" or path.startswith("$."):
        return "paths begin at the body's root: remove the $"
    if "[" in path:
        return "a path applies to all items of a list: write items.name, not items[0].name"
    segments = path.split(".")
    if "" in segments:
        return "a key is missing: write keys with single dots between them, like data.customer.metadata"
    if any("*" in segment and segment not in {"*", "**"} for segment in segments):
        return "* matches a whole key, ** any number of keys; neither can be a part of a key"
    return ""


def _segments(path: str) -> Segments:
    reason = path_error(path)
    if reason:
        raise ValueError(f'"{path}": {reason}')
    return tuple(path.split("."))


def _expand_wildcard(segments: Segments) -> Iterable[Segments]:
    """These segments, and what is left of them if a leading `**` matches no key."""
    yield segments
    while segments and segments[0] == "**":
        segments = segments[1:]
        yield segments


def _matching(remaining: RemainingPaths, key: str) -> Iterable[Segments]:
    for segments in remaining:
        if not segments:
            continue
        if segments[0] == "**":
            yield from _expand_wildcard(segments)
        elif segments[0] in {"*", key}:
            yield from _expand_wildcard(segments[1:])
