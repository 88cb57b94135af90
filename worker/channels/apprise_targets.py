"""Checks that an Apprise service sends to the one recipient of a rule's `to`, and to no other.

Each service splits a `to` in its own way, after decoding it once or twice. So characters that may separate
recipients are refused first, and then the service that Apprise made of the URL must contain `to` as a whole.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

_SEPARATORS = frozenset(",;|/\\%<>")
"""Apprise's own delimiters, characters that it decodes again, and those around addresses."""

_URL_PARTS = frozenset({"schema", "user", "password", "host", "port", "fullpath"})


def is_one_recipient(to: str) -> bool:
    """Return whether a text is not empty and contains no character that may separate recipients."""
    # White space, control characters and invisible characters may do so too.
    return bool(to) and not any(
        char in _SEPARATORS or char.isspace() or unicodedata.category(char)[0] in "CZ" for char in to
    )


def strings_of(service: Any) -> frozenset[str]:
    """Every text and number that a service may use as a recipient.

    Without those that it found invalid, and without the parts of its URL where it keeps recipients separately.
    """
    parts = _URL_PARTS if _keeps_targets(service) else frozenset()
    return frozenset(_strings({name: value for name, value in vars(service).items() if name not in parts}))


def _keeps_targets(service: Any) -> bool:
    settings = {**service.template_tokens, **service.template_args}
    return any(name == "targets" or setting.get("map_to") == "targets" for name, setting in settings.items())


def goes_to(to: str, service: frozenset[str], others: frozenset[str]) -> bool:
    """Return whether a service contains `to` as a whole, and no part of it alone.

    service: its strings, with `to` in its URL; others: its strings with another recipient in its URL.
    """
    wanted = _letters(to)
    added = {_letters(text) for text in service - others} - {""}
    whole = {text for text in added if wanted and (wanted in text or _is_national(text, wanted))}
    return bool(whole) and not any(text in wanted for text in added - whole)


def _is_national(text: str, wanted: str) -> bool:
    """Return whether a text is the wanted telephone number without its country code."""
    return text.isdigit() and wanted.isdigit() and wanted.endswith(text) and len(wanted) - len(text) <= 3


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if "invalid" not in str(name):
                yield from _strings((name, item))
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _strings(item)


def _letters(text: str) -> str:
    """The letters and digits of a text: services remove a leading + or #, and change the letter case."""
    return "".join(char for char in text.casefold() if char.isalnum())
