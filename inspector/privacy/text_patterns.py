"""Finds personal data in free text by its form: e-mail addresses and phone numbers. Pure, no I/O.

A number without spaces or punctuation is masked only if it begins with `+` or `00`, since ids look the same.
Each pattern takes time in proportion to the length of the text, whatever the text is.
"""

from __future__ import annotations

import re

_AT = "[@\uff20\ufe6b]"
_DOT = "[.\uff0e\u3002\uff61]"
_OUTSIDE = r"\s\"'<>(),;:\\@" + "\uff20\ufe6b"
_PART = rf"[^{_OUTSIDE}]"
_DOMAIN = rf"{_PART}+{_DOT}[^{_OUTSIDE}.\uff0e\u3002\uff61]+"
_EMAIL = re.compile(rf"(?<!{_PART}){_PART}+{_AT}{_DOMAIN}")
# `"ada b"@example.com`, also where JSON has escaped the quotes.
_QUOTED_EMAIL = re.compile(rf'\\?"[^"\\\r\n]{{1,64}}\\?"{_AT}{_DOMAIN}')
# An address in a URL (`%40`, however often its percent sign was encoded again) or in JSON (`\u0040`).
_URL_PART = rf"(?:[^{_OUTSIDE}/?&=#%]|%(?!(?:25)*+40)|\\{{1,8}}u(?!0040)[0-9a-f]{{4}})"
_URL_AT = rf"(?:%(?:25)*+40|\\{{1,8}}u0040|{_AT})"
_ENCODED_EMAIL = re.compile(
    rf"(?<![^{_OUTSIDE}/?&=#])(?!(?<=\\)u[0-9a-f]{{4}}){_URL_PART}++(?:{_URL_AT}{_URL_PART}++)++", re.IGNORECASE
)
_ENCODED_DOT = re.compile(r"\.|%(?:25)*2e|\\u002e", re.IGNORECASE)

_INTERNATIONAL = re.compile(r"\+\d[\d ()./-]{6,}\d")
_NO_DIGITS = r"(?<![\w.,:;%#/+-])"
_NATIONAL = re.compile(
    _NO_DIGITS
    + r"(?:"
    + r"\(0?\d{2,5}\)[ ]?\d{2,8}(?:[ -]\d{2,8}){0,4}"  # (555) 010-5309
    + r"|00[1-9]\d{9,12}"  # 00491701234567
    + r"|\d{3}[-. ]\d{3}[-. ]\d{4}"  # 555-010-5309
    + r"|0\d(?:[ .]\d\d){4}"  # 01 42 68 53 00
    + r"|0\d{2,5}[ /-]\d{6,9}"  # 030 1234567, 0170-1234567
    + r"|0\d{2,5}(?: \d{2,8}){1,5}"  # 020 7946 0958
    + r")(?![\w%]|[.,]\d|-\d)"
)
_MIN_DIGITS = 8


def masked_emails(text: str, mask: str) -> str:
    """The text with `mask` in place of each e-mail address."""
    text = _EMAIL.sub(mask, _QUOTED_EMAIL.sub(mask, text))
    return _ENCODED_EMAIL.sub(lambda address: mask if _ENCODED_DOT.search(address[0]) else address[0], text)


def masked_phones(text: str, mask: str, *, is_code: bool = False) -> str:
    """The text with `mask` in place of each phone number; in a code, only of those that begin with `+`."""
    text = _INTERNATIONAL.sub(mask, text)
    return text if is_code else _NATIONAL.sub(lambda number: _masked_number(number[0], mask), text)


def _masked_number(number: str, mask: str) -> str:
    return mask if sum(map(str.isdigit, number)) >= _MIN_DIGITS else number
