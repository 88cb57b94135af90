"""Templates as they are compiled: our filters around what the sandbox must see."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer


class Rewriting(NodeTransformer):
    """Puts our filters around loops, `~`, comparisons, methods that are called, and conditions."""

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """What is called is a method, also beside a key of the payload that has its name."""
        self.generic_visit(node)
        if isinstance(node.node, nodes.Getattr):
            name = nodes.Const(node.node.attr, lineno=node.lineno)
            node.node = nodes.Filter(node.node.node, "_method", [name], [], None, None, lineno=node.lineno)
        return node

    def visit_If(self, node: nodes.If) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """See `_condition`."""
        self.generic_visit(node)
        node.test = _condition(node.test)
        return node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """See `_condition`."""
        self.generic_visit(node)
        node.test = _condition(node.test)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """The turns of a loop are counted."""
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_steps")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """`~` makes no text that is too long, nor prints one on the way."""
        self.generic_visit(node)
        node.nodes = [_unless_constant(part, "_as_text") for part in node.nodes]
        return _filtered(node, "_bounded")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """What is compared is not too long."""
        self.generic_visit(node)
        node.expr = _unless_constant(node.expr, "_printed")
        for operand in node.ops:
            operand.expr = _unless_constant(operand.expr, "_printed")
        return node


def _condition(node: Any) -> Any:
    """A condition for which a field that an object does not have is false."""
    if isinstance(node, nodes.Not):
        node.node = _condition(node.node)
    elif isinstance(node, nodes.And | nodes.Or):
        node.left, node.right = _condition(node.left), _condition(node.right)
    elif isinstance(node, nodes.Getattr | nodes.Getitem):
        return _filtered(node, "_field")
    return node


def _unless_constant(node: Any, name: str) -> Any:
    """A part that must not be too long: a container may hold another many times over."""
    return node if isinstance(node, nodes.Const) else _filtered(node, name)


def _filtered(node: Any, name: str) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
