"""What other projects write, asked of the version that is installed: a release of theirs may word it anew."""

from __future__ import annotations

from typing import Any

import msgspec


def msgspec_refusal(kind: Any, value: object) -> str:
    """What msgspec says where a `kind` is expected and `value` came, without the place."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error).partition(" - at `")[0]
    raise AssertionError(f"{value!r} is a {kind}")


def msgspec_decode_error(body: bytes) -> str:
    """What msgspec says of bytes that are not JSON, without where in them."""
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return str(error).partition(" (")[0]
    raise AssertionError(f"{body!r} is JSON")


class AnObject(msgspec.Struct):
    """Something that is expected to be an object with `balance` in it."""

    balance: int


INT_EXPECTED = msgspec_refusal(int, "x")
"""A text came where an integer is expected."""
