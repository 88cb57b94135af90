"""Where a payload is not as its model says."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """One deviation."""

    what: Literal["unknown key", "missing key", "changed type"]
    path: str
    """JSON path; `[*]` stands for any item of an array and any key of a free object."""

    expected: str = ""
    """Of a changed type: the types in the model."""

    found: str = ""
    """The JSON type that came."""
