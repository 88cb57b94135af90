"""Limits what one rendering may cost, which is counted before the work is done.

Beyond it, TooMuchError is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from jinja2 import Environment
from jinja2.exceptions import SecurityError
from jinja2.nodes import EvalContext
from jinja2.runtime import Context

MAX_STEPS = 100_000
"""Loop iterations and calls that one rendering may make."""

MAX_CHARS = 4 * 1024 * 1024
"""Length that any text may have, intermediate results included."""

MAX_WORK = 64 * 1024 * 1024
"""Characters that filters, tests and methods of one rendering may read and produce in total."""

_OTHERS = 8
"""Characters that any other value counts as."""


# Tuples, since creating a union of types takes longer than the check itself.
_TEXTS = (str, bytes)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_PLAIN = (str, int, float)
_LONG = (str, bytes, list, tuple)


class TooMuchError(SecurityError):
    """A template exceeds one of its limits."""


class CountedContext(Context):
    """The context of one rendering, with what is left of its budget."""

    steps_left = MAX_STEPS
    work_left = MAX_WORK

    # As Jinja2's, which spends most of its time on what few templates use.
    def __init__(
        self,
        environment: Environment,
        parent: dict[str, Any],
        name: str | None,
        blocks: Mapping[str, Callable[[Context], Iterator[str]]],
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - named as jinja2 calls it
    ) -> None:
        self.parent = parent
        self.vars: dict[str, Any] = {}
        self.environment = environment
        self.exported_vars: set[str] = set()
        self.name = name
        self.globals_keys = set(globals) if globals else set()
        self.blocks = {block: [render] for block, render in blocks.items()} if blocks else {}

    @cached_property
    def eval_ctx(self) -> EvalContext:  # type: ignore[override]
        """The state of escaping, which filters may ask for."""
        return EvalContext(self.environment, self.name)


def count_steps(context: Context, steps: int) -> None:
    """Spend loop iterations or calls. Raises TooMuchError."""
    context.steps_left -= steps  # type: ignore[attr-defined]
    if context.steps_left < 0:  # type: ignore[attr-defined]
        raise TooMuchError(f"it takes more than {MAX_STEPS} loop iterations and calls")


def spend(context: Context, chars: int) -> None:
    """Spend characters that are read or produced. Raises TooMuchError."""
    context.work_left -= chars  # type: ignore[attr-defined]
    if context.work_left < 0:  # type: ignore[attr-defined]
        raise TooMuchError(f"its filters and methods process more than {MAX_WORK} characters")


def bounded(value: Any) -> Any:
    """Return the value; raises TooMuchError where it is too long itself. Its items are not counted."""
    if size(value) > MAX_CHARS:
        raise too_long("it")
    return value


def size(value: Any) -> int:
    """The length of a text or list; for an integer its value, since `*` repeats by it."""
    if isinstance(value, int):
        return value
    return len(value) if isinstance(value, _LONG) else 0


def weight(value: Any) -> int:
    """About the number of characters that a value has when it is printed; what it contains twice counts twice.

    Raises TooMuchError as soon as it is more than MAX_CHARS.
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
    """Return the value; raises TooMuchError where it would be too long when it is printed."""
    if not isinstance(value, _PLAIN):
        weight(value)
    return value


def metered(context: Context, items: Iterator[Any]) -> Iterator[Any]:
    """Yield the items of an iterator, and spend the characters of each; their total is limited."""
    total = 0
    for item in items:
        chars = weight(item) + _OTHERS
        total += chars
        if total > MAX_CHARS:
            raise too_long("it")
        spend(context, chars)
        yield item


def weigh(context: Context, values: Iterable[Any]) -> list[Any]:
    """Spend the characters of values, and return them; those of an iterator are spent as it is read."""
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
    """The error for a result that would be longer than MAX_CHARS."""
    return TooMuchError(f"{what} makes more than {MAX_CHARS} characters")


def _number_chars(value: Any) -> int:
    return _OTHERS + value.bit_length() // 3 if isinstance(value, int) else _OTHERS
