"""A difference between a payload and its model."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """A single difference between a payload and its model."""

    what: Literal["unknown key", "missing key", "changed type"]
    path: str
    """The JSON path; `[*]` means any item of an array, or any key of an object with free keys."""

    expected: str = ""
    """For a changed type: the types in the model."""

    found: str = ""
    """The JSON type in the payload."""
