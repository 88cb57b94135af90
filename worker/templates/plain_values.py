"""Evaluates the parts of templates that most rules consist of, without Jinja2.

These are fields of the payload, constants, comparisons, `and`, `or`, `not`, `if ... else`, and the text around
them. Values that are compared or printed must be numbers, texts, true, false or null. Everything else is left to
Jinja2, as is each error, also that of a missing field. So results and errors are always those of the sandbox.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any

from jinja2 import nodes

from sources.written_number import WrittenNumber

Evaluate = Callable[[Mapping[str, Any]], Any]
"""A function of the names that a template sees. Raises any exception where Jinja2 has to evaluate it."""

_PLAIN = frozenset({str, int, float, bool, NoneType, WrittenNumber})
_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
}


_OF_JINJA = frozenset({"self", "super"})
"""Names that a key of the payload does not replace."""


class NotPlainError(Exception):
    """Jinja2 has to evaluate it."""


def evaluator(expression: nodes.Expr) -> Evaluate | None:
    """Return what evaluates an expression; None if only Jinja2 can."""
    try:
        return _value(expression)
    except (NotPlainError, RecursionError):
        return None


def renderer(parsed: nodes.Template) -> Evaluate | None:
    """Return what renders a template to a text, without escaping; None if only Jinja2 can."""
    try:
        parts = [_part(node) for output in parsed.body for node in _outputs(output)]
    except (NotPlainError, RecursionError):
        return None
    if len(parts) == 1:
        return parts[0]
    return lambda seen: "".join([part(seen) for part in parts])


def _outputs(node: nodes.Node) -> Sequence[nodes.Expr]:
    if not isinstance(node, nodes.Output):
        raise NotPlainError
    return node.nodes


def _part(node: nodes.Expr) -> Evaluate:
    """The text of one part of an output."""
    if isinstance(node, nodes.TemplateData):
        text = node.data
        return lambda _seen: text
    value = _value(node)

    def part(seen: Mapping[str, Any]) -> str:
        printed = value(seen)
        if type(printed) not in _PLAIN:
            raise NotPlainError
        return str(printed)

    return part


def _value(node: nodes.Node) -> Evaluate:
    match node:
        case nodes.Const(value=constant) if type(constant) in _PLAIN:
            return lambda _seen: constant
        case nodes.Name() | nodes.Getattr() | nodes.Getitem():
            return _field(_keys(node))
        case nodes.Compare(expr=left, ops=[nodes.Operand(op=op, expr=right)]) if op in _OPERATORS:
            return _comparison(_OPERATORS[op], _value(left), _value(right))
    return _condition(node)


def _condition(node: nodes.Node) -> Evaluate:
    match node:
        case nodes.Not(node=inner):
            value = _value(inner)
            return lambda seen: not value(seen)
        case nodes.And(left=left, right=right):
            first, second = _value(left), _value(right)
            return lambda seen: first(seen) and second(seen)
        case nodes.Or(left=left, right=right):
            first, second = _value(left), _value(right)
            return lambda seen: first(seen) or second(seen)
        case nodes.CondExpr(test=test, expr1=then, expr2=nodes.Expr() as otherwise):
            condition, first, second = _value(test), _value(then), _value(otherwise)
            return lambda seen: first(seen) if condition(seen) else second(seen)
    raise NotPlainError


def _comparison(compare: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    def comparison(seen: Mapping[str, Any]) -> Any:
        first, second = left(seen), right(seen)
        if type(first) in _PLAIN and type(second) in _PLAIN:
            return compare(first, second)
        raise NotPlainError

    return comparison


def _keys(node: nodes.Node) -> tuple[str, ...]:
    """The keys of a field in nested objects, the name first."""
    match node:
        case nodes.Name(name=name, ctx="load") if name not in _OF_JINJA:
            return (name,)
        case nodes.Getattr(node=inner, attr=key) | nodes.Getitem(node=inner, arg=nodes.Const(value=str(key))):
            return (*_keys(inner), key)
    raise NotPlainError


def _field(keys: tuple[str, ...]) -> Evaluate:
    # Anything but an object raises an error for such a key.
    match keys:
        case (name,):
            return lambda seen: seen[name]
        case (name, key):
            return lambda seen: seen[name][key]
        case (name, outer, key):
            return lambda seen: seen[name][outer][key]

    def field(seen: Mapping[str, Any]) -> Any:
        value: Any = seen
        for key in keys:
            value = value[key]
        return value

    return field
