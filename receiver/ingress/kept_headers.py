"""Which headers of a request are kept beside its body, for people who look into what went wrong. Pure, no I/O.

They are made into text once for each set of values: a provider sends the same ones with nearly every webhook.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from multidict import CIMultiDict, CIMultiDictProxy, istr

from receiver.errors import KeptHeaderError
from sources import KINDS

Headers = CIMultiDict[str] | CIMultiDictProxy[str]

MAX_BYTES = 1024
"""Of the headers of one request as they are kept; what is beyond is cut off, and "..." tells so."""

_REMEMBERED = 128
"""Sets of values. The head of a request is bounded, and so is what they take: 4 MB at worst."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, section 5.6.2
_SECRET_WORDS = frozenset(
    {"authorization", "auth", "cookie", "signature", "token", "secret", "password", "apikey"}
)
_SIGNATURES = frozenset(kind.signature_header.lower() for kind in KINDS.values())


def fault(name: str) -> str:
    """Why a header of this name is not kept, "" where it may be."""
    if not _NAME.fullmatch(name):
        return "no header can have this name: write it like content-type"
    plain = name.lower()
    words = plain.replace("_", "-").split("-")
    if plain in _SIGNATURES or not _SECRET_WORDS.isdisjoint(words) or "api-key" in plain:
        return "it carries a secret, or what one made: it would lie in Redis and be shown with dead letters"
    return ""


class KeptHeaders:
    """Picks the headers of these names."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises KeptHeaderError."""
        for name in names:
            if reason := fault(name):
                raise KeptHeaderError(name, reason)
        self._names = tuple(istr(name) for name in dict.fromkeys(name.lower() for name in names))
        self._text = lru_cache(_REMEMBERED)(self._made)

    def of(self, headers: Headers) -> str:
        """`name: value` lines, names in lower case and in the order of the setting; "" for none.

        A value that has more than printable characters in it is spelt out in ASCII, backslashes and all. Of a
        header that comes several times it is the first: to look for others would cost each webhook a microsecond.
        """
        return self._text(*map(headers.get, self._names))

    def _made(self, *values: str | None) -> str:
        return _cut(
            "\n".join(
                f"{name}: {value if value.isprintable() else ascii(value)[1:-1]}"
                for name, value in zip(self._names, values, strict=True)
                if value is not None
            )
        )


def _cut(text: str) -> str:
    data = text.encode()
    if len(data) <= MAX_BYTES:
        return text
    return data[: MAX_BYTES - 3].decode(errors="ignore") + "..."
