"""Masks the values that one body hides in the other texts of the same dead letter: answers, errors, notes.

A value is found as whole words, in any letter case, also percent-encoded or with JSON escapes; a phone number also
with other spaces and another prefix. The time for a text does not depend on how many values are known.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from urllib.parse import quote, quote_plus

_MIN_CHARS = 3
_MIN_DIGITS = 5
"""Of a value that is only digits: shorter ones are in too many texts."""

_MAX_CHARS = 254
"""Of a value: a longer one is free text, which nothing quotes as a whole."""

_MAX_VALUES = 10_000
_MAX_LENGTHS = 64
"""Values of so many lengths may begin with the same word."""

_PHONE_DIGITS = 7
"""The end of a phone number that tells it, whatever its prefix."""

_WORD = re.compile(r"%[0-9a-f]{2}|\\u[0-9a-f]{4}|\w+?(?=%[0-9a-f]{2}|\\u[0-9a-f]{4}|\b)", re.IGNORECASE)
_EDGES = re.compile(r"^\W+|\W+$")
_NUMBER = re.compile(r"(?:(?<!\w)|(?<=%2B)|(?<=%20))\d[\d ()./-]{5,}\d(?!\w)", re.IGNORECASE)


class KnownValues:
    """Values that must not be shown."""

    def __init__(self) -> None:
        self._lengths: defaultdict[str, set[int]] = defaultdict(set)
        """By the word that values begin with."""

        self._values: set[str] = set()
        self._phones: set[str] = set()

    def add(self, value: object, *, is_name: bool = False) -> None:
        """Know a text or number; of a name, its parts too."""
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
            text = _NUMBER.sub(lambda found: mask if self._is_phone(found[0]) else found[0], text)
        return self._without_values(text, mask) if self._values else text

    def _add(self, text: str) -> None:
        if len(text) < (_MIN_DIGITS if text.replace(".", "").isdecimal() else _MIN_CHARS):
            return
        for spelling in {text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1]}:
            folded = _folded(spelling)
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
        """The length of the longest known value that begins there, 0 for none."""
        for length in sorted(self._lengths.get(word, ()), reverse=True):
            end = start + length
            if folded[start:end] in self._values and not _is_word(folded[end : end + 1]):
                return length
        return 0


def _folded(text: str) -> str:
    """The text in lower case, character by character, so that places in it stay what they are."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def _is_word(char: str) -> bool:
    return char == "_" or char.isalnum()
