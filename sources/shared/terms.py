"""Finds search terms in the bytes of a body: values of keys, and e-mail addresses.

They are read from the bytes and not from the decoded body, so that complete, truncated and invalid bodies are
treated alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

import msgspec

from sources.search_terms import MAX_TERMS, term

MAX_BYTES = 256 * 1024
"""Limit on the bytes of a body that are searched."""

_MAX_OF_KEY = 4
"""Limit on the terms of one key, so that the items of a list leave room for others."""

_DOMAIN = re.compile(rb"@([\w-]{1,63}+(?:\.[\w-]{1,63}+){1,4}+)(?=[^\w-])")
_NOT_LOCAL = re.compile(rb"[\s\"'<>(),;:\\@]")
_MAX_LOCAL = 64
_MAX_EMAILS = 64
"""Limit on the places that are examined for an e-mail address."""


def terms_of_keys(*keys: str) -> Callable[[bytes], tuple[str, ...]]:
    """Make the function that finds the terms of a body.

    They are the texts and whole numbers under these keys, on any level, and then all e-mail addresses. keys: the
    most specific first.
    """
    ranks = {key.encode(): rank for rank, key in enumerate(keys)}
    names = b"|".join(re.escape(key) for key in ranks)
    text = rb'("[^"\\]{0,512}+(?:\\.[^"\\]{0,512}+){0,64}+")'
    number = rb"([0-9]{1,20}+)(?=[\s,}\]])"
    pair = re.compile(rb'"(' + names + rb')"\s{0,64}+:\s{0,64}+(?:' + text + rb"|" + number + rb")")

    def terms(body: bytes) -> tuple[str, ...]:
        start = body[:MAX_BYTES]
        found = [(ranks[m[1]], m.start(), _text(m[2] or m[3])) for m in pair.finditer(start)]
        found += [(len(ranks), place, address) for place, address in emails(start)]
        left = Counter(dict.fromkeys(range(len(ranks) + 1), _MAX_OF_KEY))
        seen: dict[str, None] = {}
        for rank, _, text in sorted(found):
            normalized = term(text)
            if normalized and normalized not in seen and left[rank]:
                left[rank] -= 1
                seen[normalized] = None
        return tuple(islice(seen, MAX_TERMS))

    return terms


def id_after(pattern: bytes) -> Callable[[bytes], str]:
    """Make the function that finds the first id of a kind in a body, as it is written; "" for none.

    pattern: a regular expression that takes time in proportion to the body. Its first group is the id, in ASCII.
    """
    expression = re.compile(pattern)

    def found(body: bytes) -> str:
        match = expression.search(body[:MAX_BYTES])
        return match[1].decode("ascii", "replace") if match else ""

    return found


def emails(body: bytes) -> Iterator[tuple[int, str]]:
    """Find e-mail addresses; yields the place of each, and the address."""
    for match in islice(_DOMAIN.finditer(body), _MAX_EMAILS):
        end = match.start()
        local = _NOT_LOCAL.split(body[max(0, end - _MAX_LOCAL - 2) : end])[-1]
        # The letters of an escape sequence are not part of the address.
        is_escaped = body[end - len(local) - 1 : end - len(local)] == b"\\"
        if 0 < len(local) <= _MAX_LOCAL and not is_escaped:
            yield end - len(local), (local + match[0]).decode("utf-8", "replace")


def _text(written: bytes) -> str:
    """The text of a JSON string or number, "" for other bytes."""
    try:
        return str(msgspec.json.decode(written))
    except (ValueError, RecursionError):
        return ""
