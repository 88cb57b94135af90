"""A body as a JSON value, so that all bodies are masked and shown alike: JSON, or the parameters of a form.

A parameter whose text is a JSON object or array, such as `payload` of Slack, has that as its value. What is
neither JSON nor a form has no value. Pure, no I/O.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import msgspec

from sources.errors import DecodeError
from sources.shared.form_body import Form, parse_form

# The characters that a form may have without being encoded. JSON has others, also if it is cut off or damaged.
_PAIR = rb"[\w.~*!$'()\[\]%+-]+=[\w.~*!$'()\[\]%+=:,;/?@-]*"
_FORM = re.compile(_PAIR + rb"(?:&" + _PAIR + rb")*+", re.ASCII)

_encode = msgspec.json.Encoder().encode


def is_form(body: bytes) -> bool:
    """Return whether a body is written as a form, with an `=` in each parameter."""
    return _FORM.fullmatch(body) is not None


def value_of(body: bytes) -> Any:
    """The value of a body. Raises ValueError for a body without one, and RecursionError for hundreds of levels."""
    try:
        return msgspec.json.decode(body)
    except ValueError:
        if not is_form(body):
            raise
    form = _parsed(body)
    return {name: _value_in_form(text) if isinstance(text, str) else text for name, text in form.items()}


def as_written(value: Any, body: bytes) -> bytes:
    """A value like that of `body`, as it is written there: as JSON or as a form. Raises ValueError."""
    if not (isinstance(value, dict) and is_form(body)):
        return _encode(value)
    form = _parsed(body)
    is_list = {name for name, text in form.items() if not isinstance(text, str)}
    pairs = {
        name: inner if name in is_list or isinstance(inner, str) else _encode(inner)
        for name, inner in value.items()
    }
    return urlencode(pairs, doseq=True).encode()


def _parsed(body: bytes) -> Form:
    try:
        return parse_form(body)
    except DecodeError as error:
        raise ValueError(str(error)) from None


def _value_in_form(text: str) -> Any:
    """The JSON object or array in a parameter, else its text."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return msgspec.json.decode(text)
    except ValueError:
        return text
