"""What senders get wrong without any doubt about what they mean. Pure, no I/O.

Nothing else is read leniently: no `..`, no percent-encoding, and no encoding that changes the bytes.
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
"""What Content-Encoding says where the body is sent as it is: its standard word, and names of charsets and of
MIME transfer encodings, which belong into other headers."""


def without_extra_slashes(path: str) -> str:
    """The path without trailing slashes, and with one slash in place of several."""
    return _SLASHES.sub("/", path).rstrip("/")


def is_unencoded(values: Iterable[str]) -> bool:
    """Whether all Content-Encoding headers together leave the body as it is."""
    words = ",".join(values).lower().split(",")
    return all(word.strip(" \t\"'").removeprefix("charset=") in _NO_ENCODINGS for word in words)
