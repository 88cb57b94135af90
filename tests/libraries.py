"""Messages of other projects, read from the installed version, because a release may change their words."""

from __future__ import annotations

from typing import Any

import msgspec


def msgspec_refusal(kind: Any, value: object) -> str:
    """Return the message of msgspec where a `kind` is expected and `value` came, without the path."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error).partition(" - at `")[0]
    raise AssertionError(f"{value!r} is a {kind}")


def msgspec_decode_error(body: bytes) -> str:
    """Return the message of msgspec for bytes that are not JSON, without the position."""
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return str(error).partition(" (")[0]
    raise AssertionError(f"{body!r} is JSON")


class AnObject(msgspec.Struct):
    """An object with `balance` in it, as tests expect it."""

    balance: int


INT_EXPECTED = msgspec_refusal(int, "x")
"""The message for a text where an integer is expected."""
