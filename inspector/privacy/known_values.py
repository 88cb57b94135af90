"""Masks the personal values of a body in the other texts of the same dead letter: answers, errors, notes.

A value is found as whole words, in any letter case, also percent-encoded or with JSON escapes; a phone number also
with other spaces and another prefix. The time for a text does not depend on the number of known values.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from urllib.parse import quote, quote_plus

_MIN_CHARS = 3
# Shorter numbers are in too many texts.
_MIN_DIGITS = 5
"""Shortest value that has only digits."""

# A longer value is free text, which no other text quotes as a whole.
_MAX_CHARS = 254
"""Longest value that is searched for."""

_MAX_VALUES = 10_000
_MAX_LENGTHS = 64
"""Most different lengths of the values that begin with the same word."""

_PHONE_DIGITS = 7
"""Number of last digits that identify a phone number, whatever its prefix."""

_WORD = re.compile(r"%[0-9a-f]{2}|\\u[0-9a-f]{4}|\w+?(?=%[0-9a-f]{2}|\\u[0-9a-f]{4}|\b)", re.IGNORECASE)
_EDGES = re.compile(r"^\W+|\W+$")
_NUMBER = re.compile(r"(?:(?<!\w)|(?<=%2B)|(?<=%20))\d[\d ()./-]{5,}\d(?!\w)", re.IGNORECASE)


class KnownValues:
    """Values that must not be shown."""

    def __init__(self) -> None:
        self._lengths: defaultdict[str, set[int]] = defaultdict(set)
        """Lengths of the values, by their first word."""

        self._values: set[str] = set()
        self._phones: set[str] = set()

    def add(self, value: object, *, is_name: bool = False) -> None:
        """Add a text or number; for a name, also its parts."""
        text = _EDGES.sub("", str(value))
        if len(text) > _MAX_CHARS or len(self._values) >= _MAX_VALUES * 4:
            return
        self._add(text)
        if is_name:
            for part in text.split()[:8]:
                if part.isalpha():
                    self._add(part)
        digits = _digits(text)
        if len(digits) >= _PHONE_DIGITS and not any(map(str.isalpha, text)):
            self._phones.add(digits[-_PHONE_DIGITS:])

    def masked(self, text: str, mask: str) -> str:
        """The text with `mask` in place of each known value."""
        if self._phones:
            text = _NUMBER.sub(lambda number: mask if self._is_phone(number[0]) else number[0], text)
        return self._without_values(text, mask) if self._values else text

    def _add(self, text: str) -> None:
        if len(text) < (_MIN_DIGITS if text.replace(".", "").isdecimal() else _MIN_CHARS):
            return
        for variant in {text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1]}:
            folded = _folded(variant)
            word = _WORD.search(folded)
            if word and word.start() == 0 and len(self._lengths[word[0]]) < _MAX_LENGTHS:
                self._lengths[word[0]].add(len(folded))
                self._values.add(folded)

    def _is_phone(self, number: str) -> bool:
        return _digits(number)[-_PHONE_DIGITS:] in self._phones

    def _without_values(self, text: str, mask: str) -> str:
        folded = _folded(text)
        parts: list[str] = []
        done = 0
        for word in _WORD.finditer(folded):
            length = self._length_at(folded, word.start(), word[0]) if word.start() >= done else 0
            if length:
                parts += (text[done : word.start()], mask)
                done = word.start() + length
        return "".join((*parts, text[done:]))

    def _length_at(self, folded: str, start: int, word: str) -> int:
        """The length of the longest known value that begins at `start`; or 0."""
        for length in sorted(self._lengths.get(word, ()), reverse=True):
            end = start + length
            if folded[start:end] in self._values and not _is_word(folded[end : end + 1]):
                return length
        return 0


def _folded(text: str) -> str:
    """The text in lower case, with each character at the same index as before."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def _is_word(char: str) -> bool:
    return char == "_" or char.isalnum()
