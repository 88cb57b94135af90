"""Bodies and errors without personal data, for eyes that need only the shape of what went wrong.

By key: what names, e-mail addresses, phone numbers and postal addresses are commonly called, in any object. By
form: e-mail addresses and international phone numbers in any text. This may hide more than it must; what it cannot
parse it does not show.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

MASK = "***"

_EMAIL = re.compile(r"[^\s\"'<>(),;:\\@]+@[^\s\"'<>(),;:\\@]+\.[^\s\"'<>(),;:\\@.]+")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,}\d")
_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:\s*)"((?:[^"\\]|\\.)+)"?')
_NOT_LETTERS = re.compile(r"[^a-z]")
_KEY_ENDS = ("name", "phone", "mobile", "email", "mail", "address")
_KEYS = frozenset(
    {"tel", "telephone", "phonenumber", "mobilenumber", "emailaddress"}
    | {
        "street",
        "line",
        "city",
        "postalcode",
        "postcode",
        "zip",
        "zipcode",
        "birthdate",
        "birthday",
        "dateofbirth",
    }
)


def masked_body(body: bytes) -> Any:
    """The JSON value of a body with personal data masked. Raises ValueError for a body that is not JSON."""
    try:
        return masked(msgspec.json.decode(body))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def masked(value: Any) -> Any:
    """A JSON value with personal data masked."""
    match value:
        case dict():
            return {
                masked_text(key): _hidden(inner) if _is_personal(key) else masked(inner)
                for key, inner in value.items()
            }
        case list():
            return [masked(inner) for inner in value]
        case str():
            return masked_text(value)
        case _:
            return value


def masked_text(text: str) -> str:
    """Free text, which may quote JSON, with personal data masked."""
    return _PHONE.sub(MASK, _EMAIL.sub(MASK, _PAIR.sub(_masked_pair, text)))


def _masked_pair(found: re.Match[str]) -> str:
    key, colon, _ = found.groups()
    return f'"{key}"{colon}"{MASK}"' if _is_personal(key) else found[0]


def _is_personal(key: str) -> bool:
    plain = _NOT_LETTERS.sub("", key.lower())
    return plain in _KEYS or plain.endswith(_KEY_ENDS)


def _hidden(value: Any) -> Any:
    match value:
        case dict():
            return {masked_text(key): _hidden(inner) for key, inner in value.items()}
        case list():
            return [_hidden(inner) for inner in value]
        case bool() | None | "":
            return value
        case _:
            return MASK
