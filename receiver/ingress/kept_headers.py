"""Selects the headers of a request that are stored beside its body, to help find out what went wrong. Pure, no
I/O.

The text of each set of values is cached: a provider sends the same headers with nearly every webhook.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from multidict import istr

from receiver.errors import KeptHeaderError
from receiver.ingress.request_head import Headers
from sources import KINDS

MAX_BYTES = 1024
"""Limit on the stored headers of one request; the rest is cut off and replaced by "..."."""

_REMEMBERED = 128
"""Sets of values in the cache. The size of a head is limited, so the cache takes at most 4 MB."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110, section 5.6.2
_SECRET_WORDS = frozenset(
    {"authorization", "auth", "cookie", "signature", "token", "secret", "password", "apikey"}
)


def fault(name: str) -> str:
    """Why a header with this name must not be kept, "" if it may be."""
    if not _NAME.fullmatch(name):
        return "no header can have this name: write it like content-type"
    plain = name.lower()
    words = plain.replace("_", "-").split("-")
    signatures = {header for kind in KINDS.in_use() for header in kind.signature_headers}
    if plain in signatures or not _SECRET_WORDS.isdisjoint(words) or "api-key" in plain:
        return "it carries a secret or a signature, which would be stored in Redis and shown with dead letters"
    return ""


class KeptHeaders:
    """Selects the headers with these names."""

    def __init__(self, names: Sequence[str], *, of_provider: Sequence[str] = ()) -> None:
        """Check the names. Raises KeptHeaderError.

        of_provider: the headers that the provider needs. They come first, so that others are cut off before them.
        """
        for name in names:
            if reason := fault(name):
                raise KeptHeaderError(name, reason)
        lower_case = (name.lower() for name in (*of_provider, *names))
        self._names = tuple(istr(name) for name in dict.fromkeys(lower_case))
        self._text = lru_cache(_REMEMBERED)(self._to_text)

    def of(self, headers: Headers) -> str:
        """`name: value` lines, names in lower case and in the order of the setting; "" for none.

        A value with characters that are not printable is escaped in ASCII. Only the first of several headers with
        the same name is kept.
        """
        # `getall` would find the others, and cost each webhook a microsecond.
        return self._text(*map(headers.get, self._names))

    def _to_text(self, *values: str | None) -> str:
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
