"""What a template may cost, so that no payload makes one fill the memory or hold up its worker.

Bounded are the steps of a rendering (turns of loops, and calls, macros among them), every text on its way, and
what `*`, `**`, `+`, `~` and the filters and methods that widen a text make. Not bounded is the time of one step:
what gets past all this is ended by the watchdog or the system, and then is a dead letter `poison`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jinja2 import Undefined, nodes, pass_context, pass_environment
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_STEPS = 100_000
MAX_CHARS = 4 * 1024 * 1024
_MAX_WIDTH = 10_000
_MAX_BITS = 20_000
"""Of a number that `*` or `**` makes."""

_WIDENING_FILTERS = ("batch", "center", "indent", "round", "slice", "tojson", "wordwrap")
_WIDENING_METHODS = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill"})


class TooMuchError(SecurityError):
    """A template does more than it may."""


class _CountedContext(Context):
    """The context of one rendering."""

    steps_left = MAX_STEPS


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, with bounds. A bound that is met raises TooMuchError."""

    context_class = _CountedContext
    intercepted_binops = frozenset({"*", "**", "+"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        del self.globals["lipsum"]
        for name in _WIDENING_FILTERS:
            self.filters[name] = _narrow(name, self.filters[name])
        self.filters |= {"replace": _replace(self.filters["replace"]), "_steps": _steps, "_bounded": _bounded}
        self.filters |= {"_method": _method, "_field": _field}

    @staticmethod
    def concat(pieces: Iterable[str]) -> str:
        """Join what a template, macro or block wrote."""
        kept, chars = [], 0
        for piece in pieces:
            chars += len(piece)
            if chars > MAX_CHARS:
                raise TooMuchError(f"it writes more than {MAX_CHARS} characters")
            kept.append(piece)
        return "".join(kept)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`, what most of a template is made of. The library would look for a method first."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        if isinstance(obj, dict | list):  # a method is only what a template calls, see `_method`
            return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj["key"]`, which for dicts and lists never is a method."""
        try:
            return obj[argument]
        except (AttributeError, TypeError, LookupError):
            if isinstance(obj, dict | list):
                return self.undefined(obj=obj, name=argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Called for the operators in `intercepted_binops`."""
        if operator == "+":
            return _bounded(super().call_binop(context, operator, left, right))
        if isinstance(left, int) and isinstance(right, int):
            times = operator == "*"
            bits = left.bit_length() + right.bit_length() if times else left.bit_length() * max(1, right)
            if bits > _MAX_BITS:
                raise TooMuchError(f"{operator} makes a number of more than {_MAX_BITS} bits")
        elif operator == "*" and _size(left) * _size(right) > MAX_CHARS:
            raise TooMuchError(f"* makes something longer than {MAX_CHARS}")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Called for every call in a template."""
        _count(context, 1)
        text = getattr(obj, "__self__", None)
        if isinstance(text, str):
            if obj.__name__ in _WIDENING_METHODS:
                _check_widths(obj.__name__, args)
            elif obj.__name__ == "replace":
                _check_replacing(text, *args[:2])
        return super().call(context, obj, *args, **kwargs)

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        """Called for templates and for expressions."""
        tree = _Rewriting().visit(source).set_environment(self)
        return super()._generate(tree, name, filename, defer_init)


class _Rewriting(NodeTransformer):
    """Puts our filters around what loops go over, what `~` makes, methods that are called, and conditions."""

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        self.generic_visit(node)
        if isinstance(node.node, nodes.Getattr):
            name = nodes.Const(node.node.attr, lineno=node.lineno)
            node.node = nodes.Filter(node.node.node, "_method", [name], [], None, None, lineno=node.lineno)
        return node

    def visit_If(self, node: nodes.If) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        self.generic_visit(node)
        node.test = _condition(node.test)
        return node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        self.generic_visit(node)
        node.test = _condition(node.test)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_steps")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        self.generic_visit(node)
        return _filtered(node, "_bounded")


def _condition(node: Any) -> Any:
    """A condition for which a field that an object does not have is false."""
    if isinstance(node, nodes.Not):
        node.node = _condition(node.node)
    elif isinstance(node, nodes.And | nodes.Or):
        node.left, node.right = _condition(node.left), _condition(node.right)
    elif isinstance(node, nodes.Getattr | nodes.Getitem):
        return _filtered(node, "_field")
    return node


def _field(value: Any) -> Any:
    return False if isinstance(value, Undefined) and isinstance(value._undefined_obj, dict) else value  # noqa: SLF001 - jinja2 has no other way


@pass_environment
def _method(sandbox: Sandbox, obj: Any, name: str) -> Any:
    """What a template calls. No value of a payload can be called, so it is the method also beside such a key."""
    if isinstance(obj, dict | list):
        return ImmutableSandboxedEnvironment.getattr(sandbox, obj, name)
    return sandbox.getattr(obj, name)


def _filtered(node: Any, name: str) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


@pass_context
def _steps(context: Context, items: Any) -> Any:
    """What a loop goes over, its turns counted."""
    try:
        turns = len(items)
    except TypeError:
        return _counted(context, items)
    _count(context, turns)
    return items


def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _count(context, 1)
        yield item


def _count(context: Context, steps: int) -> None:
    context.steps_left -= steps  # type: ignore[attr-defined]
    if context.steps_left < 0:  # type: ignore[attr-defined]
        raise TooMuchError(f"it takes more than {MAX_STEPS} turns of loops and calls")


def _bounded(value: Any) -> Any:
    if _size(value) > MAX_CHARS:
        raise TooMuchError(f"it makes something longer than {MAX_CHARS}")
    return value


def _size(value: Any) -> int:
    if isinstance(value, int):
        return value
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def _narrow(name: str, made: Callable[..., Any]) -> Callable[..., Any]:
    def narrow(*args: Any, **kwargs: Any) -> Any:
        _check_widths(name, (*args[1:], *kwargs.values()))
        return made(*args, **kwargs)

    return _as_jinja_calls(made, narrow)


def _replace(made: Callable[..., Any]) -> Callable[..., Any]:
    def replace(first: Any, text: Any, old: Any, new: Any, *args: Any) -> Any:
        """`first`: what jinja2 passes to the filter in front of the text."""
        _check_replacing(str(text), old, new)
        return made(first, text, old, new, *args)

    return _as_jinja_calls(made, replace)


def _as_jinja_calls(made: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """jinja2 marks filters that want its context; they are called with it first."""
    vars(ours).update(vars(made))
    return ours


def _check_widths(what: str, args: Iterable[Any]) -> None:
    if any(isinstance(arg, int) and arg > _MAX_WIDTH for arg in args):
        raise TooMuchError(f"{what} by more than {_MAX_WIDTH}")


def _check_replacing(text: str, old: Any = "", new: Any = "") -> None:
    if len(text) + text.count(str(old)) * len(str(new)) > MAX_CHARS:
        raise TooMuchError(f"replace makes something longer than {MAX_CHARS}")
