"""Makes text from outside safe for terminals and log lines: it can neither control a terminal nor forge a line."""

from __future__ import annotations

import re

_CONTROLS = "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff"
"""C0 without tab and line feed, C1, line and paragraph separators, characters that change the writing direction,
and lone surrogates, which cannot be encoded."""

_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_OR_BREAK = re.compile(f"[{_CONTROLS}\\t\\n]")


def printable(text: str) -> str:
    """Escape the control characters of a text, except tabs and line feeds."""
    return _CONTROL.sub(_escaped, text)


def one_line(text: str) -> str:
    """Escape the control characters of a text, including tabs and line feeds."""
    return _CONTROL_OR_BREAK.sub(_escaped, text)


def printable_json(encoded: bytes) -> bytes:
    """Escape the control characters of JSON, which does not change its meaning."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded.decode()).encode()


def _escaped(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
