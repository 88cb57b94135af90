"""Masks personal data in bodies and texts, so that people can read why something failed without seeing it.

Four rules decide what is masked:
- by key: common keys of names, addresses, phone numbers, birthdays and the like, in any object (personal_keys.py);
- by form: e-mail addresses and phone numbers in any text (text_patterns.py);
- by value: a value that is masked in a body is also masked in the body's free texts, and in the other texts of its
  dead letter (known_values.py);
- by path: what the settings name.
More may be masked than necessary. What cannot be parsed is not shown.

Ids, codes, amounts, and the `name` of an object that is not a person (a campaign, a reward, a product) are shown,
since support needs them. In these only e-mail addresses, and phone numbers that begin with `+`, are masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from inspector.privacy.dotted_paths import RemainingPaths, compile_paths, descend, last_keys
from inspector.privacy.known_values import KnownValues
from inspector.privacy.personal_keys import PERSON_KEYS, is_code, is_non_person, is_personal
from inspector.privacy.readable_body import value_of
from inspector.privacy.text_patterns import masked_emails, masked_phones

MASK = "***"

# Takes time in proportion to the length of the text, whatever the text is.
_PAIR = re.compile(r'"((?:[^"\\]|\\.){0,64})"(\s*:\s*)"((?:[^"\\]|\\.)+)"?')


class _Decision(Enum):
    """How a value is shown."""

    SCAN = 0
    """Texts are searched: personal data is masked by form and by value. Other values are shown."""

    CODE = 4
    """An id, a code, or the name of an object: only e-mail addresses and international numbers are masked."""

    SHOW = 1
    """The value is shown unchanged."""

    MASK_BY_KEY = 2
    """Masked by a rule, unless it is a boolean or empty."""

    MASK_BY_PATH = 3
    """Masked by a path with everything in it, unless it is empty. No other rule changes that."""


class _MaskingPass(NamedTuple):
    """The state of a pass over a body."""

    known: KnownValues
    """Values to mask in free text."""

    collected: KnownValues | None
    """Collects the values that are masked."""


class Masking:
    """The masking rules of a config. First match wins: masked path, shown path, masked parent, key, form."""

    def __init__(self, masked: Sequence[str] = (), shown: Sequence[str] = ()) -> None:
        """Paths as in `inspector.masked_paths` and `shown_paths`. Raises ValueError, which names path and
        reason."""
        self._masked = compile_paths(masked)
        self._shown = compile_paths(shown)
        self._masked_keys = last_keys(masked)

    def body(self, body: bytes) -> Any:
        """The value of a body, masked. Raises ValueError if the body is neither JSON nor a form."""
        try:
            return self.value(value_of(body))
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def value(self, value: Any) -> Any:
        """A JSON value of the same shape, with masked values and keys. Raises RecursionError for hundreds of
        levels."""
        known = KnownValues()
        self._mask_root(value, _MaskingPass(KnownValues(), known))
        return self._mask_root(value, _MaskingPass(known, None))

    def text(self, text: str) -> str:
        """Free text, masked by form. JSON in it is masked by key, and by the last keys of masked paths."""
        return masked_phones(masked_emails(_PAIR.sub(self._mask_pair, text), MASK), MASK)

    def texts_of(self, body: bytes) -> Callable[[str], str]:
        """A function that masks the texts of a body: like `text`, and also the values that are masked in the
        body."""
        known = KnownValues()
        try:
            self._mask_root(value_of(body), _MaskingPass(KnownValues(), known))
        except (ValueError, RecursionError):
            return self.text
        return lambda text: self.text(known.masked(text, MASK))

    def _mask_root(self, value: Any, masking_pass: _MaskingPass) -> Any:
        decision = self._decide(_Decision.SCAN, self._masked, self._shown, _Decision.SCAN)
        return self._mask(value, decision, self._masked, self._shown, "", masking_pass)

    def _mask(
        self,
        value: Any,
        decision: _Decision,
        masked: RemainingPaths,
        shown: RemainingPaths,
        name: str,
        masking_pass: _MaskingPass,
    ) -> Any:
        if isinstance(value, list):
            return [self._mask(inner, decision, masked, shown, name, masking_pass) for inner in value]
        if not isinstance(value, dict):
            return self._mask_scalar(value, decision, name, masking_pass)
        is_thing = is_non_person(_kind(value, name))
        result: dict[str, Any] = {}
        for key, inner in value.items():
            remaining = descend(masked, key), descend(shown, key)
            by_key = _decide_by_key(key, name, is_thing=is_thing)
            result[_unique_key(self.text(key), result)] = self._mask(
                inner, self._decide(decision, *remaining, by_key), *remaining, key, masking_pass
            )
        return result

    def _decide(
        self, parent: _Decision, masked: RemainingPaths, shown: RemainingPaths, by_key: _Decision
    ) -> _Decision:
        if parent is _Decision.MASK_BY_PATH or () in masked:
            return _Decision.MASK_BY_PATH
        if () in shown:
            return _Decision.SHOW
        return _Decision.MASK_BY_KEY if parent is _Decision.MASK_BY_KEY else by_key

    def _mask_scalar(self, value: Any, decision: _Decision, name: str, masking_pass: _MaskingPass) -> Any:
        if decision is _Decision.SHOW or value is None or value == "":
            return value
        if decision is _Decision.CODE:
            return (
                masked_phones(masked_emails(value, MASK), MASK, is_code=True) if isinstance(value, str) else value
            )
        if decision is _Decision.SCAN:
            return self.text(masking_pass.known.masked(value, MASK)) if isinstance(value, str) else value
        if isinstance(value, bool):
            return value if decision is _Decision.MASK_BY_KEY else MASK
        if masking_pass.collected is not None:
            masking_pass.collected.add(
                value, is_name=decision is _Decision.MASK_BY_KEY and name.lower().endswith("name")
            )
        return MASK

    def _mask_pair(self, pair: re.Match[str]) -> str:
        key, colon, _ = pair.groups()
        return f'"{key}"{colon}"{MASK}"' if is_personal(key) or key in self._masked_keys else pair[0]


DEFAULT = Masking()
"""The built-in rules, without paths from a config."""


def _kind(value: dict[str, Any], name: str) -> str:
    """The kind of an object: the value of its `object` key, else the key that it is under."""
    if name in PERSON_KEYS:
        return name
    kind = value.get("object")
    return kind if isinstance(kind, str) else name


def _decide_by_key(key: str, parent: str, *, is_thing: bool) -> _Decision:
    """The decision by the key alone. `parent`: the key of the object that contains it."""
    if key == "name" and is_thing:
        return _Decision.CODE
    if is_personal(key) or (key == "description" and parent in PERSON_KEYS):
        return _Decision.MASK_BY_KEY
    return _Decision.CODE if is_code(key) else _Decision.SCAN


def _unique_key(key: str, taken: dict[str, Any]) -> str:
    """The key, with a number after it if another key has the same masked text, so that no value is lost."""
    free, number = key, len(taken)
    while free in taken:
        number += 1
        free = f"{key} {number}"
    return free
