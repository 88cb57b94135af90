"""Rewrites templates before they are compiled, so that the sandbox can check every operation."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer


class Rewriting(NodeTransformer):
    """Puts filters of the sandbox around loops, `~`, comparisons, called methods and conditions."""

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """Call the method, even where the payload has a key of the same name."""
        self.generic_visit(node)
        if isinstance(node.node, nodes.Getattr):
            name = nodes.Const(node.node.attr, lineno=node.lineno)
            node.node = nodes.Filter(node.node.node, "_method", [name], [], None, None, lineno=node.lineno)
        return node

    def visit_If(self, node: nodes.If) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """Treat missing fields in the condition of an `if` block as false."""
        self.generic_visit(node)
        node.test = _condition(node.test)
        return node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """Treat missing fields in the condition of an `if` expression as false."""
        self.generic_visit(node)
        node.test = _condition(node.test)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """Count the iterations of a loop."""
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_steps")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """Bound the length of the text that `~` makes, and of its parts."""
        self.generic_visit(node)
        node.nodes = [_unless_constant(part, "_as_text") for part in node.nodes]
        return _filtered(node, "_bounded")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802 - named as jinja2 calls it
        """Bound the size of the values that are compared."""
        self.generic_visit(node)
        node.expr = _unless_constant(node.expr, "_printed")
        for operand in node.ops:
            operand.expr = _unless_constant(operand.expr, "_printed")
        return node


def _condition(node: Any) -> Any:
    """The condition, rewritten so that a field that an object does not have is false."""
    if isinstance(node, nodes.Not):
        node.node = _condition(node.node)
    elif isinstance(node, nodes.And | nodes.Or):
        node.left, node.right = _condition(node.left), _condition(node.right)
    elif isinstance(node, nodes.Getattr | nodes.Getitem):
        return _filtered(node, "_field")
    return node


def _unless_constant(node: Any, name: str) -> Any:
    """The node with the filter around it; a constant stays as it is."""
    return node if isinstance(node, nodes.Const) else _filtered(node, name)


def _filtered(node: Any, name: str) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
