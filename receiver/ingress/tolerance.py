"""Accepts mistakes of senders whose meaning is beyond doubt. Pure, no I/O.

Nothing else is accepted: no `..`, no percent-encoding, and no encoding that changes the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SLASHES = re.compile("/{2,}")

_NO_ENCODINGS = frozenset(
    {
        *("", "identity", "none", "7bit", "8bit", "binary"),
        *("utf-8", "utf8", "utf_8", "unicode", "us-ascii", "ascii"),
        *("iso-8859-1", "iso8859-1", "latin-1", "latin1", "windows-1252", "cp1252"),
    }
)
"""Values of Content-Encoding with an unencoded body: the standard one, and names of charsets and of MIME transfer
encodings, which belong in other headers."""


def single_slashes(path: str) -> str:
    """The path without trailing slashes, and with repeated slashes reduced to one."""
    return _SLASHES.sub("/", path).rstrip("/")


def is_unencoded(values: Iterable[str]) -> bool:
    """True if the body is unencoded by all Content-Encoding headers together."""
    words = ",".join(values).lower().split(",")
    return all(word.strip(" \t\"'").removeprefix("charset=") in _NO_ENCODINGS for word in words)
