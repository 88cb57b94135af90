"""Text from outside as a terminal or a log line may show it: it can neither steer a terminal nor forge a line."""

from __future__ import annotations

import re

_CONTROLS = "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff"
"""C0 without tab and line feed, C1, line and paragraph separators, what changes the direction of writing, and lone
surrogates, which nothing can encode."""

_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_OR_BREAK = re.compile(f"[{_CONTROLS}\\t\\n]")


def printable(text: str) -> str:
    """Text with its control characters spelt out; tabs and line feeds stay."""
    return _CONTROL.sub(_spelt_out, text)


def one_line(text: str) -> str:
    """The same with tabs and line feeds spelt out too."""
    return _CONTROL_OR_BREAK.sub(_spelt_out, text)


def printable_json(encoded: bytes) -> bytes:
    """JSON with its control characters spelt out, which means the same."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", encoded.decode()).encode()


def _spelt_out(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
