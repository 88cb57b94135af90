"""A secret whose value does not appear in logs or tracebacks."""

from __future__ import annotations


class Secret:
    """Key material. Its repr and str hide the value, so a log or a traceback cannot show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """The value, for the code that signs, verifies or authenticates."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
