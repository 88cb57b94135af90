"""The sandbox of templates: no payload can make a template fill the memory or block its worker.

Each rendering has a budget (worker/templates/budget.py) of steps, and of characters that its filters, tests and
methods process. Their arguments are measured first, with everything in them, and for operations that widen a text
the length of the result is checked beforehand (worker/templates/result_sizes.py). So no single step takes long,
and neither do all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import Undefined, nodes, pass_context, pass_environment
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import _PassArg

from sources.written_number import WrittenNumber
from worker.templates import result_sizes
from worker.templates.ast_rewriting import Rewriting
from worker.templates.budget import (
    MAX_CHARS,
    CountedContext,
    TooMuchError,
    bounded,
    count_steps,
    printed,
    size,
    spend,
    too_long,
    weigh,
)
from worker.templates.printing import as_text, dumps

_MAX_BITS = 20_000
"""Size of a number that `*` or `**` may make."""

_WITH_WIDTHS = frozenset({"batch", "center", "indent", "round", "slice", "tojson", "wordwrap"})
_METHODS_WITH_WIDTHS = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})
_CHEAP = frozenset(
    {"default", "d", "length", "count", "first", "last", "map", "select", "reject", "selectattr", "rejectattr"}
)
"""Filters that do not read their arguments, or read them item by item when the result is read."""

_CHEAP_TESTS = frozenset(
    {
        "defined",
        "undefined",
        "none",
        "boolean",
        "true",
        "false",
        "string",
        "number",
        "mapping",
        "sequence",
        "iterable",
    }
)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox with limits. Exceeding one raises TooMuchError."""

    context_class = CountedContext
    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(finalize=as_text, **options)
        self.policies["json.dumps_function"] = dumps
        del self.globals["lipsum"]
        self.filters["join"] = _join(self.filters["join"])
        for filters, cheap in ((self.filters, _CHEAP), (self.tests, _CHEAP_TESTS)):
            for name in filters.keys() - cheap:
                wrapped: Any = filters[name]
                filters[name] = _weighed(wrapped, _CHECKS.get(name), name)
        self.filters |= {"_steps": _steps, "_bounded": bounded, "_printed": printed, "_as_text": as_text}
        self.filters |= {"_method": _method, "_field": _field}

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Join the output of a template, macro or block."""
        kept, chars = [], 0
        for piece in pieces:
            chars += len(piece)
            if chars > MAX_CHARS:
                raise TooMuchError(f"it writes more than {MAX_CHARS} characters")
            kept.append(piece)
        return "".join(kept)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Evaluate `obj.attribute`, the most common operation of templates."""
        # The library would look for a method first.
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if isinstance(obj, dict | list):  # a method is only what a template calls, see `_method`
            return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Evaluate `obj["key"]`, which never is a method of a dict or list."""
        try:
            return obj[argument]
        except (AttributeError, TypeError, LookupError):
            if isinstance(obj, dict | list):
                return self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Evaluate one of the operators in `intercepted_binops`."""
        if operator == "+":
            return bounded(super().call_binop(context, operator, left, right))
        if operator == "%":
            if isinstance(left, str):
                result_sizes.check_percent(left, right)
        elif isinstance(left, int) and isinstance(right, int):
            times = operator == "*"
            bits = left.bit_length() + right.bit_length() if times else left.bit_length() * max(1, right)
            if bits > _MAX_BITS:
                raise TooMuchError(f"{operator} makes a number of more than {_MAX_BITS} bits")
        elif operator == "*" and size(left) * size(right) > MAX_CHARS:
            raise too_long("*")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Make a call of the template."""
        count_steps(context, 1)
        method = getattr(obj, "__wrapped__", obj)
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str | list | dict):
            args = tuple(weigh(context, args))
            weigh(context, (owner, *kwargs.values()))
        if isinstance(owner, str):
            args = _checked_method(method.__name__, owner, args, kwargs)
        return super().call(context, obj, *args, **kwargs)

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        """Compile a template or expression."""
        tree = Rewriting().visit(source).set_environment(self)
        return super()._generate(tree, name, filename, defer_init)


def _checked_method(name: str, text: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Check that the result of a text's method cannot be too long, and return the arguments to call it with."""
    values = (*args, *kwargs.values())
    if name in _METHODS_WITH_WIDTHS:
        result_sizes.check_widths(name, values)
    if name == "expandtabs":
        result_sizes.check_lines(text, name, values[0] if values else 8, "\t")
    elif name == "replace":
        result_sizes.check_replacing(text, *args[:2])
    elif name == "translate":
        result_sizes.check_translating(text, args[0] if args else {})
    elif name in ("format", "format_map"):
        result_sizes.check_format(text, values)
    elif name == "join" and args:
        return (list(result_sizes.joined(text, args[0])), *args[1:])
    return args


def _weighed(wrapped: Callable[..., Any], check: Callable[..., None] | None, name: str) -> Callable[..., Any]:
    """A filter or test that spends the characters of its arguments and of its result.

    check: called with the arguments, the value first, before the filter runs.
    """
    first = _FIRST[_PassArg.from_obj(wrapped)]
    has_width = name in _WITH_WIDTHS

    @pass_context
    def weighed(context: Context, *args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if type(arg) not in _LIGHT:
                args = tuple(weigh(context, args))
                break
        if has_width:
            result_sizes.check_widths(name, (*args[1:], *kwargs.values()))
        if check is not None:
            check(*args, **kwargs)
        result = wrapped(*args, **kwargs) if first is None else wrapped(first(context), *args, **kwargs)
        if isinstance(result, str):
            spend(context, len(bounded(result)))
        return result

    return weighed


_LIGHT = frozenset({int, float, bool, type(None), WrittenNumber})
_FIRST: dict[_PassArg | None, Callable[[Context], Any] | None] = {
    None: None,
    _PassArg.context: lambda context: context,
    _PassArg.environment: lambda context: context.environment,
    _PassArg.eval_context: lambda context: context.eval_ctx,
}
"""The argument that jinja2 passes to a filter before the value."""


def _check_wordwrap(text: Any, width: Any = 79, *_args: Any, **_kwargs: Any) -> None:
    result_sizes.check_wrapping(str(text), width)


def _check_indent(text: Any, width: Any = 4, *_args: Any, **_kwargs: Any) -> None:
    result_sizes.check_lines(str(text), "indent", width, "\n")


def _check_replace(text: Any, old: Any = "", new: Any = "", *_args: Any) -> None:
    result_sizes.check_replacing(str(text), old, new)


def _check_format(text: Any, *args: Any, **kwargs: Any) -> None:
    result_sizes.check_percent(str(text), kwargs or args)


_CHECKS: dict[str, Callable[..., None]] = {
    "wordwrap": _check_wordwrap,
    "indent": _check_indent,
    "replace": _check_replace,
    "format": _check_format,
}


def _join(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    def join(eval_ctx: Any, value: Any, d: str = "", attribute: str | int | None = None) -> Any:
        # Jinja2 names the parameters `d` and `attribute`.
        if isinstance(value, list | tuple | dict):  # its items are measured already
            if len(value) * len(str(d)) > MAX_CHARS:
                raise too_long("join")
        elif not isinstance(value, Undefined):
            value = list(result_sizes.joined(d, value))
        return wrapped(eval_ctx, value, d, attribute)

    vars(join).update(vars(wrapped))
    return join


def _field(value: Any) -> Any:
    """The value in a condition: False for a field that an object does not have."""
    return False if isinstance(value, Undefined) and isinstance(value._undefined_obj, dict) else value  # noqa: SLF001 - jinja2 has no other way


@pass_environment
def _method(sandbox: Sandbox, obj: Any, name: str) -> Any:
    """The method that a template calls; never a key of that name, since no value of a payload can be called."""
    if isinstance(obj, dict | list):
        return ImmutableSandboxedEnvironment.getattr(sandbox, obj, name)
    return sandbox.getattr(obj, name)


@pass_context
def _steps(context: Context, items: Any) -> Any:
    """The items of a loop, its iterations counted."""
    try:
        iterations = len(items)
    except TypeError:
        return _counted(context, items)
    count_steps(context, iterations)
    return items


def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        count_steps(context, 1)
        yield item
