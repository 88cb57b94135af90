"""Keeps numbers with a fraction as the sender wrote them, so that 10.00 does not become 10.0 in a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, DecimalException
from operator import add, mul, sub
from typing import Any

import msgspec

_MOST_DIGITS = 60
"""Digits before or after the point above which a result is a plain float, whose text is always short."""


def _exactly(calculate: Callable[[Any, Any], Any], *, is_reflected: bool = False) -> Callable[[Any, Any], Any]:
    """An operator that calculates exactly with the written numbers: 0.1 + 0.2 is 0.3."""

    def operate(self: WrittenNumber, other: object) -> Any:
        if type(other) not in (int, float, WrittenNumber):
            return NotImplemented
        left, right = (other, self) if is_reflected else (self, other)
        try:
            exact = calculate(Decimal(str(left)), Decimal(str(right)))
        except DecimalException:
            return calculate(float(left), float(right))  # type: ignore[arg-type]
        # A zero has an exponent as well: 2 * 0e-999999999 would print a million zeros.
        if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
            return calculate(float(left), float(right))  # type: ignore[arg-type]
        return WrittenNumber(format(exact, "f"))

    return operate


class WrittenNumber(float):
    """A float that prints as it was written in the JSON. Sums, differences and products are exact decimals."""

    __slots__ = ("written",)

    written: str

    def __new__(cls, written: str) -> WrittenNumber:
        """written: the number as JSON has it."""
        self = super().__new__(cls, written)
        self.written = written
        return self

    def __str__(self) -> str:
        return self.written

    __repr__ = __str__
    __add__ = _exactly(add)
    __radd__ = _exactly(add, is_reflected=True)
    __sub__ = _exactly(sub)
    __rsub__ = _exactly(sub, is_reflected=True)
    __mul__ = _exactly(mul)
    __rmul__ = _exactly(mul, is_reflected=True)

    def __neg__(self) -> WrittenNumber:
        return WrittenNumber(self.written.removeprefix("-") if self.written[0] == "-" else f"-{self.written}")

    def __abs__(self) -> WrittenNumber:
        return WrittenNumber(self.written.removeprefix("-"))


def as_json(value: object) -> msgspec.Raw:
    """The `enc_hook` of a JSON encoder, which writes such a number as it came. Raises NotImplementedError."""
    if isinstance(value, WrittenNumber):
        return msgspec.Raw(value.written.encode())
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded as JSON")


def as_plain_json(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of a payload in which such numbers are plain floats."""
    try:
        copy: dict[str, Any] = msgspec.to_builtins(dict(payload), enc_hook=float)
    except RecursionError:
        return _copied_level_by_level(payload)
    return copy


def _copied_level_by_level(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as `as_plain_json` makes it, slower, for a payload nested nearly as deep as Python calls can be."""
    copy = dict(payload)
    containers: list[Any] = [copy]
    while containers:
        container = containers.pop()
        for key, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, WrittenNumber):
                container[key] = float(value)
            elif isinstance(value, dict | list):
                container[key] = value.copy()
                containers.append(container[key])
    return copy
