"""Finds an id, an e-mail address or a phone number in text, in every encoding that payloads and URLs have for it.

A character may be literal, in either case, full-width, percent-encoded (once or more often, `%40`, `%2540`), a
JSON escape (`\\u0040`) or an HTML entity; a domain may also be punycode (`xn--...`). A phone number may have other
spaces, and its national or international prefix. Pure, no I/O.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize

import idna

MIN_PHONE_DIGITS, _MAX_PHONE_DIGITS = 8, 15
_PHONE = re.compile(r"[+(]?[\d ()./-]+")
_COUNTRY_CODE_DIGITS = (1, 2, 3)

_ENCODED = re.compile(r"[%\\&]|xn--", re.IGNORECASE)
# A name must not be the end of a longer word. An escape before it must not encode a letter, a digit, `+`, `-`, `.`
# or `_`: with these it would be another name.
_BEFORE = (
    r"(?:(?<![\w.+-])|(?<=\\[nrtbf])"
    r"|(?<=%[0-9a-f]{2})(?<!%2[bde])(?<!%5f)(?<!%[46][1-9a-f])(?<!%[57][0-9a])(?<!%3[0-9])(?<!%[89a-f][0-9a-f])"
    r"|(?<=\\u00[23][0-9a-f])(?<!2[bde])(?<!3[0-9]))"
)
_AFTER = r"(?![\w@-]|\.\w|%(?:25){0,8}(?:40|2e\w))"
_SPACE = r"(?:[ ()./\u00a0-]|%(?:25){0,8}(?:20|28|29|2d|2e|2f))"
_SPACES = _SPACE + "{0,3}"
_PLUS = r"(?:\+|00|%(?:25){0,8}2b|\\{1,8}u002b)"


def phone_digits(name: str) -> str:
    """The digits of a phone number; "" if `name` is not a phone number."""
    digits = "".join(char for char in name if char.isdecimal())
    is_phone = _PHONE.fullmatch(name) and MIN_PHONE_DIGITS <= len(digits) <= _MAX_PHONE_DIGITS
    return digits if is_phone and digits.isascii() else ""


class NameMatcher:
    """Finds one name of a person in text, as a whole word."""

    def __init__(self, name: str) -> None:
        """`name`: an id, an e-mail address, or a phone number that begins with `+`, `0` or `(`."""
        self._plain = normalize("NFC", name.strip()).lower()
        digits = phone_digits(self._plain) if self._plain[:1] in {"+", "0", "("} else ""
        self.is_phone = bool(digits)
        self.is_email = "@" in self._plain
        pattern = _phone_pattern(digits, is_full=self._plain[0] == "+") if digits else _name_pattern(self._plain)
        self._pattern = re.compile(pattern, re.IGNORECASE)
        self._dotted_pattern = re.compile(
            rf"(?:(?<=\w\.){pattern.removeprefix(_BEFORE)}|{pattern})", re.IGNORECASE
        )

    def is_in(self, text: str) -> bool:
        """Return whether a text contains the name."""
        return self._may_be_in(text) and self._pattern.search(text) is not None

    def replaced(self, text: str, other: str) -> str:
        """The text with `other` in place of the name."""
        return self._pattern.sub(other.replace("\\", r"\\"), text) if self._may_be_in(text) else text

    def replaced_in_name(self, name: str, other: str) -> str:
        """Like `replaced`, for a dotted name such as an event name, in which the name may follow a dot."""
        return self._dotted_pattern.sub(other.replace("\\", r"\\"), name) if self._may_be_in(name) else name

    def _may_be_in(self, text: str) -> bool:
        """A cheap check before the search: False for an ASCII text without escapes and without the literal
        name."""
        return self.is_phone or not text.isascii() or bool(_ENCODED.search(text)) or self._plain in text.lower()


def _name_pattern(name: str) -> str:
    local, at, domain = name.rpartition("@")
    if not at:
        return _BEFORE + _sequence(name) + _AFTER
    domains = "|".join(_sequence(domain) for domain in sorted(_domains(domain)))
    return f"{_BEFORE}{_sequence(local)}{_char('@')}(?:{domains}){_AFTER}"


def _domains(domain: str) -> set[str]:
    """The domain as given, with letters of any language, and as punycode."""
    domains = {domain}
    for convert in (idna.decode, lambda text: idna.encode(text, uts46=True).decode()):
        try:
            domains.add(convert(domain).lower())
        except (idna.IDNAError, UnicodeError):
            continue
    return domains


def _phone_pattern(digits: str, *, is_full: bool) -> str:
    if digits.startswith("00"):
        digits, is_full = digits[2:], True
    if not is_full:
        core = digits.lstrip("0")
        numbers = [rf"(?:{_PLUS}?{_SPACES}[1-9]\d{{0,2}}{_SPACES})?(?:0{_SPACES})?{_spaced(core)}"]
    else:
        numbers = [rf"{_PLUS}?{_SPACES}{_spaced(digits)}"]
        for size in _COUNTRY_CODE_DIGITS:
            code, national = digits[:size], digits[size:]
            if len(national) >= MIN_PHONE_DIGITS:
                numbers.append(rf"{_PLUS}?{_SPACES}{_spaced(code)}{_SPACES}0{_SPACES}{_spaced(national)}")
                numbers.append(rf"0?{_SPACES}{_spaced(national)}")
    before = r"(?:(?<![\w.])|(?<=\\[nrtbf])|(?<=%[0-9a-f]{2}))"
    return f"{before}\\(?(?:{'|'.join(numbers)})(?!\\w|\\.\\d)"


def _spaced(digits: str) -> str:
    return _SPACES.join(digits)


def _sequence(text: str) -> str:
    return "".join(map(_char, text))


@lru_cache(1024)
def _char(char: str) -> str:
    """A pattern for one character in all its encodings, for a pattern that ignores case."""
    forms = {char, char.lower(), char.upper(), normalize("NFD", char), normalize("NFD", char.upper())}
    if "!" <= char <= "~":
        forms.add(chr(ord(char) + 0xFEE0))
    if char == ".":
        forms |= {"\u3002", "\uff61"}
    patterns = {pattern for form in forms for pattern in (re.escape(form), _percent(form), _json_escape(form))}
    patterns |= {rf"&\#(?:0*{ord(form)}|x0*{ord(form):x});" for form in forms if len(form) == 1}
    # The group is atomic, since several alternatives match the same text and backtracking through them all would
    # take exponential time.
    return f"(?>{'|'.join(sorted(patterns, key=len))})"


def _percent(form: str) -> str:
    return "".join(f"%(?:25){{0,8}}{byte:02x}" for byte in form.encode("utf-8", "surrogatepass"))


def _json_escape(form: str) -> str:
    units = form.encode("utf-16-be", "surrogatepass").hex()
    return "".join(rf"\\{{1,8}}u{units[at : at + 4]}" for at in range(0, len(units), 4))
