"""Bodies and errors without personal data, for eyes that need only the shape of what went wrong.

By key: what names, e-mail addresses, phone numbers, postal addresses and birthdays are commonly called, in any
object. By form: e-mail addresses and international phone numbers in any text. By path: what the settings name. It
may hide more than it must; what it cannot parse it does not show.

What says that it is no person has a `name` that is shown: a campaign, a reward, a product.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec

from inspector.dotted_paths import Ahead, compiled, last_keys, stepped

MASK = "***"

# Each of these takes time in proportion to the text, whatever the text.
_EMAIL = re.compile(r"(?<![^\s\"'<>(),;:\\@])[^\s\"'<>(),;:\\@]+@[^\s\"'<>(),;:\\@]+\.[^\s\"'<>(),;:\\@.]+")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,}\d")
_PAIR = re.compile(r'"((?:[^"\\]|\\.){0,64})"(\s*:\s*)"((?:[^"\\]|\\.)+)"?')
_NOT_LETTERS = re.compile(r"[^a-z]")
_KEY_ENDS = ("name", "phone", "mobile", "email", "mail", "address")
_KEYS = frozenset(
    {"tel", "telephone", "phonenumber", "mobilenumber", "emailaddress"}
    | {"street", "line", "city", "postalcode", "postcode", "zip", "zipcode"}
    | {"birthdate", "birthday", "dateofbirth", "dob"}
)
_NO_PERSONS = frozenset(
    {"campaign", "voucher", "reward", "product", "sku", "segment", "category", "categories", "earning_rule"}
    | {"loyalty_tier", "holder_loyalty_tier", "referral_tier", "promotion_tier", "promotion_stack"}
    | {"custom_event", "event_schema", "validation_rule"}
)
"""What the vendor's objects say of themselves (`"object": "campaign"`), or are the values of."""


class _Fate(Enum):
    """What becomes of a value."""

    JUDGED = 0
    """Text is masked by form."""

    SHOWN = 1
    """As it is."""

    HIDDEN = 2
    """By a rule: everything but truth values and what is empty."""

    MASKED = 3
    """By a path: everything but what is empty, whatever is said of places in it."""


class Masking:
    """What is hidden. The order: a masked path, a shown path, a hidden object around it, the key, the form."""

    def __init__(self, masked: Sequence[str] = (), shown: Sequence[str] = ()) -> None:
        """Paths as `inspector.masked_paths` and `shown_paths` have them. Raises ValueError: path and reason."""
        self._masked = compiled(masked)
        self._shown = compiled(shown)
        self._masked_keys = last_keys(masked)

    def body(self, body: bytes) -> Any:
        """The JSON value of a body, masked. Raises ValueError for a body that is not JSON."""
        try:
            return self.value(msgspec.json.decode(body))
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def value(self, value: Any) -> Any:
        """A JSON value masked, with its keys and in its shape. Raises RecursionError for hundreds of levels."""
        fate = self._fate(_Fate.JUDGED, self._masked, self._shown, is_personal=False)
        return self._inside(value, fate, self._masked, self._shown, "")

    def text(self, text: str) -> str:
        """Free text, which may quote JSON, masked: by form, by key, and by the keys that masked paths end in."""
        return _PHONE.sub(MASK, _EMAIL.sub(MASK, _PAIR.sub(self._pair, text)))

    def _inside(self, value: Any, fate: _Fate, masked: Ahead, shown: Ahead, name: str) -> Any:
        if isinstance(value, list):
            return [self._inside(inner, fate, masked, shown, name) for inner in value]
        if not isinstance(value, dict):
            return self._leaf(value, fate)
        is_no_person = _what(value, name) in _NO_PERSONS
        found: dict[str, Any] = {}
        for key, inner in value.items():
            ahead = stepped(masked, key), stepped(shown, key)
            is_personal = _is_personal(key) and not (is_no_person and key == "name")
            found[_free(self.text(key), found)] = self._inside(
                inner, self._fate(fate, *ahead, is_personal=is_personal), *ahead, key
            )
        return found

    def _fate(self, around: _Fate, masked: Ahead, shown: Ahead, *, is_personal: bool) -> _Fate:
        if around is _Fate.MASKED or () in masked:
            return _Fate.MASKED
        if () in shown:
            return _Fate.SHOWN
        return _Fate.HIDDEN if is_personal or around is _Fate.HIDDEN else _Fate.JUDGED

    def _leaf(self, value: Any, fate: _Fate) -> Any:
        if fate is _Fate.SHOWN or value is None or value == "":
            return value
        if fate is _Fate.JUDGED:
            return self.text(value) if isinstance(value, str) else value
        return value if fate is _Fate.HIDDEN and isinstance(value, bool) else MASK

    def _pair(self, found: re.Match[str]) -> str:
        key, colon, _ = found.groups()
        return f'"{key}"{colon}"{MASK}"' if _is_personal(key) or key in self._masked_keys else found[0]


DEFAULT = Masking()
"""The rules alone."""


def _what(value: dict[str, Any], name: str) -> str:
    """What an object says that it is, else what it is called."""
    told = value.get("object")
    return told if isinstance(told, str) else name


def _is_personal(key: str) -> bool:
    plain = _NOT_LETTERS.sub("", key.lower())
    return plain in _KEYS or plain.endswith(_KEY_ENDS)


def _free(key: str, taken: dict[str, Any]) -> str:
    """The key, with its number where another is masked alike, so that none of them is lost."""
    free, number = key, len(taken)
    while free in taken:
        number += 1
        free = f"{key} {number}"
    return free
