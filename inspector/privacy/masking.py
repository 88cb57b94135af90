"""Bodies and texts without personal data, for people who need only the shape of what went wrong.

By key: what names, addresses, phone numbers, birthdays and the like are commonly called, in any object
(personal_keys.py). By form: e-mail addresses and phone numbers in any text (text_patterns.py). By value: what a
body hides is hidden in its free texts, and in the other texts of its dead letter (known_values.py). By path: what
the settings name. It may hide more than it must; what it cannot parse it does not show.

Ids, codes, amounts, and the `name` of what is no person (a campaign, a reward, a product) are shown: support needs
them. Only an e-mail address or a phone number that begins with `+` is masked there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from inspector.privacy.dotted_paths import Ahead, compiled, last_keys, stepped
from inspector.privacy.known_values import KnownValues
from inspector.privacy.personal_keys import PERSONS, is_code, is_no_person, is_personal
from inspector.privacy.text_patterns import masked_emails, masked_phones

MASK = "***"

# Takes time in proportion to the text, whatever the text.
_PAIR = re.compile(r'"((?:[^"\\]|\\.){0,64})"(\s*:\s*)"((?:[^"\\]|\\.)+)"?')


class _Fate(Enum):
    """What becomes of a value."""

    JUDGED = 0
    """Text is masked by form and by value."""

    CODE = 4
    """An id, a code, a name of what is no person: only e-mail addresses and international numbers are masked."""

    SHOWN = 1
    """As it is."""

    HIDDEN = 2
    """By a rule: everything but truth values and what is empty."""

    MASKED = 3
    """By a path: everything but what is empty, whatever is said of places in it."""


class _Walk(NamedTuple):
    """What one walk through a body knows."""

    known: KnownValues
    """What is masked in free text."""

    found: KnownValues | None
    """Takes the values that are hidden."""


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
        known = KnownValues()
        self._masked_value(value, _Walk(KnownValues(), known))
        return self._masked_value(value, _Walk(known, None))

    def text(self, text: str) -> str:
        """Free text, which may quote JSON, masked: by form, by key, and by the keys that masked paths end in."""
        return masked_phones(masked_emails(_PAIR.sub(self._pair, text), MASK), MASK)

    def texts_of(self, body: bytes) -> Callable[[str], str]:
        """What masks the texts that belong to a body: like `text`, and by the values that the body hides."""
        known = KnownValues()
        try:
            self._masked_value(msgspec.json.decode(body), _Walk(KnownValues(), known))
        except (ValueError, RecursionError):
            return self.text
        return lambda text: self.text(known.masked(text, MASK))

    def _masked_value(self, value: Any, walk: _Walk) -> Any:
        fate = self._fate(_Fate.JUDGED, self._masked, self._shown, _Fate.JUDGED)
        return self._inside(value, fate, self._masked, self._shown, "", walk)

    def _inside(self, value: Any, fate: _Fate, masked: Ahead, shown: Ahead, name: str, walk: _Walk) -> Any:
        if isinstance(value, list):
            return [self._inside(inner, fate, masked, shown, name, walk) for inner in value]
        if not isinstance(value, dict):
            return self._leaf(value, fate, name, walk)
        is_thing = is_no_person(_kind(value, name))
        found: dict[str, Any] = {}
        for key, inner in value.items():
            ahead = stepped(masked, key), stepped(shown, key)
            by_key = _by_key(key, name, is_thing=is_thing)
            found[_free(self.text(key), found)] = self._inside(
                inner, self._fate(fate, *ahead, by_key), *ahead, key, walk
            )
        return found

    def _fate(self, around: _Fate, masked: Ahead, shown: Ahead, by_key: _Fate) -> _Fate:
        if around is _Fate.MASKED or () in masked:
            return _Fate.MASKED
        if () in shown:
            return _Fate.SHOWN
        return _Fate.HIDDEN if around is _Fate.HIDDEN else by_key

    def _leaf(self, value: Any, fate: _Fate, name: str, walk: _Walk) -> Any:
        if fate is _Fate.SHOWN or value is None or value == "":
            return value
        if fate is _Fate.CODE:
            return (
                masked_phones(masked_emails(value, MASK), MASK, is_code=True) if isinstance(value, str) else value
            )
        if fate is _Fate.JUDGED:
            return self.text(walk.known.masked(value, MASK)) if isinstance(value, str) else value
        if isinstance(value, bool):
            return value if fate is _Fate.HIDDEN else MASK
        if walk.found is not None:
            walk.found.add(value, is_name=fate is _Fate.HIDDEN and name.lower().endswith("name"))
        return MASK

    def _pair(self, found: re.Match[str]) -> str:
        key, colon, _ = found.groups()
        return f'"{key}"{colon}"{MASK}"' if is_personal(key) or key in self._masked_keys else found[0]


DEFAULT = Masking()
"""The rules alone."""


def _kind(value: dict[str, Any], name: str) -> str:
    """What an object says that it is, else what it is called."""
    if name in PERSONS:
        return name
    kind = value.get("object")
    return kind if isinstance(kind, str) else name


def _by_key(key: str, around: str, *, is_thing: bool) -> _Fate:
    """What a key alone says of its value; `around`: the key of the object that it is in."""
    if key == "name" and is_thing:
        return _Fate.CODE
    if is_personal(key) or (key == "description" and around in PERSONS):
        return _Fate.HIDDEN
    return _Fate.CODE if is_code(key) else _Fate.JUDGED


def _free(key: str, taken: dict[str, Any]) -> str:
    """The key, with its number where another is masked alike, so that none of them is lost."""
    free, number = key, len(taken)
    while free in taken:
        number += 1
        free = f"{key} {number}"
    return free
