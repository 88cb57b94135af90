"""What one rendering may cost: counted before the work is done. A bound that is met raises TooMuchError."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import Context

MAX_STEPS = 100_000
"""Turns of loops and calls."""

MAX_CHARS = 4 * 1024 * 1024
"""Of any text on its way."""

MAX_WORK = 64 * 1024 * 1024
"""Characters that filters, tests and methods read and make in all."""

_OTHERS = 8
"""Characters that a number or the like counts for."""


# As tuples, since to make a union of types takes longer than to look.
_TEXTS = (str, bytes)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_PLAIN = (str, int, float)
_LONG = (str, bytes, list, tuple)


class TooMuchError(SecurityError):
    """A template does more than it may."""


class CountedContext(Context):
    """The context of one rendering."""

    steps_left = MAX_STEPS
    work_left = MAX_WORK


def count_steps(context: Context, steps: int) -> None:
    """Take turns of loops, or calls."""
    context.steps_left -= steps  # type: ignore[attr-defined]
    if context.steps_left < 0:  # type: ignore[attr-defined]
        raise TooMuchError(f"it takes more than {MAX_STEPS} turns of loops and calls")


def spend(context: Context, chars: int) -> None:
    """Take characters to read or to make."""
    context.work_left -= chars  # type: ignore[attr-defined]
    if context.work_left < 0:  # type: ignore[attr-defined]
        raise TooMuchError(f"its filters and methods go over more than {MAX_WORK} characters")


def bounded(value: Any) -> Any:
    """The value, which must not be too long itself, whatever its items are."""
    if size(value) > MAX_CHARS:
        raise too_long("it")
    return value


def size(value: Any) -> int:
    """The length of a text or list; a number as it is, since `*` takes it for one."""
    if isinstance(value, int):
        return value
    return len(value) if isinstance(value, _LONG) else 0


def weight(value: Any) -> int:
    """About as many characters as a value has when it is printed; what is in it twice counts twice.

    Stops, with an error, where that is more than MAX_CHARS.
    """
    if isinstance(value, _TEXTS):
        return len(value)
    if not isinstance(value, _CONTAINERS):
        return _number_chars(value)
    total, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _TEXTS):
            total += len(item) + 4
        elif isinstance(item, _CONTAINERS):
            total += 2 + _OTHERS * len(item)
            if total <= MAX_CHARS:
                waiting.extend(item)
                if isinstance(item, dict):
                    waiting.extend(item.values())
        else:
            total += _number_chars(item)
        if total > MAX_CHARS:
            raise too_long("it")
    return total


def printed(value: Any) -> Any:
    """The value, which must not be too long when it is printed."""
    if not isinstance(value, _PLAIN):
        weight(value)
    return value


def metered(context: Context, items: Iterator[Any]) -> Iterator[Any]:
    """What an iterator yields, each item counted as it comes, and all of them together bounded."""
    total = 0
    for item in items:
        chars = weight(item) + _OTHERS
        total += chars
        if total > MAX_CHARS:
            raise too_long("it")
        spend(context, chars)
        yield item


def weigh(context: Context, values: Iterable[Any]) -> list[Any]:
    """The values, whose characters are taken; those of an iterator as it is read."""
    weighed, chars = [], 0
    for value in values:
        if type(value) is str:
            chars += len(value)
        elif isinstance(value, Iterator):
            value = metered(context, value)  # noqa: PLW2901 - it takes the place of the value
        else:
            chars += weight(value)
        weighed.append(value)
    spend(context, chars)
    return weighed


def too_long(what: str) -> TooMuchError:
    """The error of something that would be longer than MAX_CHARS."""
    return TooMuchError(f"{what} makes something longer than {MAX_CHARS}")


def _number_chars(value: Any) -> int:
    return _OTHERS + value.bit_length() // 3 if isinstance(value, int) else _OTHERS
