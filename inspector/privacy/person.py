"""A person who is to be forgotten: what is theirs, and what of others names them. Pure, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import structs

from broker.erasure.kept_texts import FORGOTTEN
from broker.queue.batch import RawBody
from inspector.privacy.spellings import Spellings
from sources.provider import Provider
from sources.search_terms import term

MIN_CHARS = 4
_MIN_ID_CHARS = 6
"""Of an id that counts inside of longer strings too."""


class Person:
    """The names of a person: ids, e-mail addresses, phone numbers."""

    def __init__(self, names: Sequence[str], kinds: Mapping[str, Provider]) -> None:
        """kinds: of the sources that are configured, by name.

        Raises ValueError for a name that too much would have.
        """
        self._terms = frozenset(term(name) for name in names)
        if not self._terms or any(len(name) < MIN_CHARS for name in self._terms):
            raise ValueError(
                f"an id, e-mail address or phone number has at least {MIN_CHARS} characters, and no line breaks"
            )
        self._kinds = kinds
        written = {text for name in names for text in _as_json(name.strip())}
        quoted = b"|".join(re.escape(text) for text in sorted(written))
        self._quoted = re.compile(rb'"(?:' + quoted + rb')\\{0,8}"(?!\s{0,64}:)', re.IGNORECASE)
        self._spellings = [Spellings(name) for name in names]
        self._clear = [
            spellings for name, spellings in zip(names, self._spellings, strict=True) if _is_clear(name, spellings)
        ]

    @property
    def told(self) -> str:
        """The names as they may be shown."""
        return ", ".join(sorted(f"{name[:2]}***" for name in self._terms))

    def owns(self, body: RawBody) -> bool:
        """Whether a webhook is of the person: its terms say so, or it names the person in some spelling."""
        if self._is_named_in(body.body):
            return True
        kind = self._kinds.get(body.source)
        return kind is not None and not self._terms.isdisjoint(kind.terms(body.body))

    def is_in(self, data: bytes) -> bool:
        """The same of bytes that are of any source."""
        kinds = {kind.name: kind for kind in self._kinds.values()}.values()
        return self._is_named_in(data) or any(not self._terms.isdisjoint(kind.terms(data)) for kind in kinds)

    def is_in_text(self, text: str) -> bool:
        """Whether a text names the person, in any spelling."""
        return any(spellings.is_in(text) for spellings in self._spellings)

    def body(self, body: RawBody) -> RawBody | None:
        """What stays of a webhook: None where it is the person's, else without what names them."""
        if self.owns(body):
            return None
        return structs.replace(body, event_hint=self.event(body.event_hint), headers=self.text(body.headers))

    def event(self, event: str) -> str:
        """An event name without the person. An id that is a common word may be another's event: it stays."""
        for spellings in self._clear:
            event = spellings.replaced_in_name(event, FORGOTTEN)
        return event

    def text(self, text: str) -> str:
        """An error, an answer, a header, a filter without the person."""
        for spellings in self._spellings:
            text = spellings.replaced(text, FORGOTTEN)
        return text

    def _is_named_in(self, data: bytes) -> bool:
        if self._quoted.search(data):
            return True
        text = data.decode("utf-8", "replace")
        return any(spellings.is_in(text) for spellings in self._clear)


def _is_clear(name: str, spellings: Spellings) -> bool:
    """Whether it tells the person wherever it stands, and is no common word or number."""
    if spellings.is_email or spellings.is_phone:
        return True
    name = name.strip()
    return len(name) >= _MIN_ID_CHARS and any(map(str.isdigit, name)) and any(map(str.isalpha, name))


def _as_json(name: str) -> set[bytes]:
    """How JSON may write it, without the quotes."""
    return {msgspec.json.encode(name)[1:-1], json.dumps(name)[1:-1].encode()}
