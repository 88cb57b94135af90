"""Writes the head of an e-mail so that no text can become more than the value of its header. Pure.

Values are encoded here and never parsed, since a parser would decode text that only looks encoded.
"""

from __future__ import annotations

import re
from email.header import Header

_WORD_CHARS = 75
"""Longest encoded word (RFC 2047)."""

_LINE_CHARS = 78
_MAX_LINE_BYTES = 998

_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, and lone surrogates, which JSON can contain and no encoding can represent."""

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_BREAK = re.compile("[\r\n\0]")


def one_line(text: str) -> str:
    """Text without control characters, line breaks and characters that change the direction of text.

    Joiners are kept: emoji, Persian and Indic words need them.
    """
    if text.isprintable() and "  " not in text:  # nearly every text
        return text.strip(" ")
    text = _CONTROL.sub(" ", _BIDI.sub("", text))
    return re.sub(" {2,}", " ", text).strip(" ")


def text_header(name: str, text: str) -> str:
    """The header with one line of any text, encoded unless it is plain and short."""
    line = f"{name}: {text}"
    if text.isascii() and "=?" not in text and len(line) <= _LINE_CHARS:
        return line
    return f"{name}: {_words(name, text)}"


def mailbox_header(name: str, display_name: str, addr_spec: str) -> str:
    """The header with one mailbox."""
    if not display_name:
        return f"{name}: {addr_spec}"
    if display_name.isascii() and "=?" not in display_name and len(display_name) <= _LINE_CHARS // 2:
        return f"{name}: {_phrase(display_name)} <{addr_spec}>"
    return f"{name}: {_words(name, display_name)}\r\n <{addr_spec}>"


def is_one_header(header: str) -> bool:
    """Return whether every parser reads the text as one header: its further lines are folded and not empty."""
    if header.isascii() and header.isprintable() and len(header) <= _MAX_LINE_BYTES:  # one line, as most are
        return True
    first, *folded = header.split("\r\n")
    if not all(line.startswith(" ") and line.strip() for line in folded):
        return False
    return all(len(line.encode()) <= _MAX_LINE_BYTES and not _BREAK.search(line) for line in (first, *folded))


def _words(name: str, text: str) -> str:
    words = Header(text, "utf-8", maxlinelen=_WORD_CHARS, header_name=name)
    return words.encode(linesep="\r\n")


def _phrase(text: str) -> str:
    if _ATOMS.fullmatch(text):
        return text
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'
