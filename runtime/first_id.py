"""Chooses the id by which the rows of a list differ."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_CHARS = 80

# Digits alone may be a phone number, and a text without any may be a name.
ID = re.compile(r"(?!\d+$)[^@\d]*\d[^@]*")


def first_id(terms: Iterable[str], *, beside: str = "") -> str:
    """Return the first search term that is an id, and neither an e-mail address, a phone number nor a name.

    terms: of one event, the most specific first. beside: an id that is shown already. Returns "" without such a
    term; at most MAX_CHARS characters.
    """
    for term in terms:
        if term != beside and ID.fullmatch(term) and term.casefold() != beside.casefold():
            return term[:MAX_CHARS]
    return ""
