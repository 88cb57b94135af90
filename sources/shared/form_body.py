"""Parses the form of a body, application/x-www-form-urlencoded. Raises DecodeError and nothing else."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable
from itertools import islice
from urllib.parse import parse_qsl

from sources.errors import DecodeError
from sources.search_terms import MAX_TERMS, term
from sources.shared.terms import MAX_BYTES

_MAX_PARAMETERS = 1000

Form = dict[str, str | list[str]]
"""The values of a form by name; a list for a name that occurs several times."""


def is_json(body: bytes) -> bool:
    """Return whether a body is a JSON object or array, and not a form, in which these characters are encoded."""
    return body.removeprefix(BOM_UTF8).lstrip(b" \t\r\n")[:1] in (b"{", b"[")


def parse_form(body: bytes) -> Form:
    """Parse a form with up to 1,000 parameters. Raises DecodeError."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError:  # also UnicodeDecodeError
        raise DecodeError(f"not a form in UTF-8 with up to {_MAX_PARAMETERS} parameters") from None
    if not pairs:
        raise DecodeError("a form without parameters")
    form: Form = {}
    for name, value in pairs:
        earlier = form.get(name)
        if earlier is None:
            form[name] = value
        else:
            form[name] = [*([earlier] if isinstance(earlier, str) else earlier), value]
    return form


def terms_of_form(*names: str) -> Callable[[bytes], tuple[str, ...]]:
    """Make the function that finds the search terms of a form: the values of these names, the most specific
    first. It works for a form that is cut off."""

    def terms(body: bytes) -> tuple[str, ...]:
        try:
            # A value that is cut off in the middle of a character is replaced.
            pairs = parse_qsl(body[:MAX_BYTES].decode(errors="replace"), max_num_fields=_MAX_PARAMETERS)
        except ValueError:
            return ()
        values = [value for name in names for key, value in pairs if key == name]
        return tuple(islice(dict.fromkeys(filter(None, map(term, values))), MAX_TERMS))

    return terms
