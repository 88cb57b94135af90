"""Whether a service of Apprise's sends to the one recipient that a rule's `to` shows, and to no other.

Each of the services takes a `to` apart in its own way, after decoding it once or twice. So what may separate
recipients is refused before, and what became of `to` is looked at in the service that Apprise made of the URL.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

_SEPARATORS = frozenset(",;|/\\%<>")
"""Apprise's own delimiters, what it decodes once more, and what stands around addresses."""

_URL_PARTS = frozenset({"schema", "user", "password", "host", "port", "fullpath"})


def is_one_recipient(to: str) -> bool:
    """Whether nothing in it can separate recipients: white space, controls and invisible characters do as well."""
    return bool(to) and not any(
        char in _SEPARATORS or char.isspace() or unicodedata.category(char)[0] in "CZ" for char in to
    )


def strings_of(service: Any) -> frozenset[str]:
    """Every text and number that a service may take for a recipient.

    That leaves out what it found to be none, and the parts of its URL where it keeps recipients apart from them.
    """
    parts = _URL_PARTS if _keeps_targets(service) else frozenset()
    return frozenset(_strings({name: value for name, value in vars(service).items() if name not in parts}))


def _keeps_targets(service: Any) -> bool:
    settings = {**service.template_tokens, **service.template_args}
    return any(name == "targets" or setting.get("map_to") == "targets" for name, setting in settings.items())


def goes_to(to: str, service: frozenset[str], others: frozenset[str]) -> bool:
    """Whether a service holds `to` as a whole, and no part of it for itself.

    `service`: its strings, made with `to` in its URL; `others`: made with another recipient in it.
    """
    wanted = _letters(to)
    found = {_letters(text) for text in service - others} - {""}
    whole = {text for text in found if wanted and (wanted in text or _is_national(text, wanted))}
    return bool(whole) and not any(text in wanted for text in found - whole)


def _is_national(text: str, wanted: str) -> bool:
    """Whether it is the same telephone number without the country's code."""
    return text.isdigit() and wanted.isdigit() and wanted.endswith(text) and len(wanted) - len(text) <= 3


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for name, held in value.items():
            if "invalid" not in str(name):
                yield from _strings((name, held))
    elif isinstance(value, list | tuple | set | frozenset):
        for held in value:
            yield from _strings(held)


def _letters(text: str) -> str:
    """What is left of it in any spelling: services drop a + or # before it, and change letter case."""
    return "".join(char for char in text.casefold() if char.isalnum())
