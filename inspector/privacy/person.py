"""A person whose data is to be removed: what belongs to them, and which other texts name them. Pure, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import structs

from broker.erasure.kept_texts import FORGOTTEN
from broker.queue.batch import RawBody
from inspector.privacy.name_matcher import NameMatcher
from inspector.privacy.readable_body import is_form
from sources.provider import Provider
from sources.search_terms import term

MIN_CHARS = 4
_MIN_ID_CHARS = 6
"""Shortest id that is also searched for inside longer strings."""


class Person:
    """A person, known by ids, e-mail addresses and phone numbers."""

    def __init__(self, names: Sequence[str], kinds: Mapping[str, Provider]) -> None:
        """`kinds`: the provider of each configured source, by its name.

        Raises ValueError for a name that is too short: it would match data of other people.
        """
        self._terms = frozenset(term(name) for name in names)
        if not self._terms or any(len(name) < MIN_CHARS for name in self._terms):
            raise ValueError(
                f"an id, e-mail address or phone number has at least {MIN_CHARS} characters, and no line breaks"
            )
        self._written = frozenset(name.strip().lower() for name in names)
        self._kinds = kinds
        json_forms = {text for name in names for text in _as_json(name.strip())}
        quoted = b"|".join(re.escape(text) for text in sorted(json_forms))
        self._quoted = re.compile(rb'"(?:' + quoted + rb')\\{0,8}"(?!\s{0,64}:)', re.IGNORECASE)
        self._matchers = [NameMatcher(name) for name in names]
        self._unambiguous = [
            matcher for name, matcher in zip(names, self._matchers, strict=True) if _is_unambiguous(name, matcher)
        ]

    @property
    def search_terms(self) -> frozenset[str]:
        """The forms of the names by which the history finds events."""
        return self._terms | self._written

    @property
    def masked_names(self) -> str:
        """The names as logs and audit entries may show them: the first two characters."""
        return ", ".join(sorted(f"{name[:2]}***" for name in self._terms))

    def owns(self, body: RawBody) -> bool:
        """Return whether a webhook belongs to the person: by its search terms, or because it names them in any
        encoding."""
        if self._is_named_in(body.body):
            return True
        kind = self._kinds.get(body.source)
        return kind is not None and not self._terms.isdisjoint(kind.terms(body.body))

    def is_in(self, data: bytes) -> bool:
        """Return whether bytes from an unknown source belong to the person."""
        kinds = {kind.name: kind for kind in self._kinds.values()}.values()
        return self._is_named_in(data) or any(not self._terms.isdisjoint(kind.terms(data)) for kind in kinds)

    def is_in_text(self, text: str) -> bool:
        """Return whether a text names the person, in any encoding."""
        return any(matcher.is_in(text) for matcher in self._matchers)

    def body(self, body: RawBody) -> RawBody | None:
        """The webhook without the person's names; None if it belongs to the person."""
        if self.owns(body):
            return None
        return structs.replace(body, event_hint=self.event(body.event_hint), headers=self.text(body.headers))

    def event(self, event: str) -> str:
        """An event name without the person's names."""
        # An id that is a common word may be the name of an event, so it stays.
        for matcher in self._unambiguous:
            event = matcher.replaced_in_name(event, FORGOTTEN)
        return event

    def text(self, text: str) -> str:
        """An error, an answer, a header or a filter without the person's names."""
        for matcher in self._matchers:
            text = matcher.replaced(text, FORGOTTEN)
        return text

    def _is_named_in(self, data: bytes) -> bool:
        # In a form a `+` is a space. Left as it is, it would look like a part of the address after it.
        return self._is_written_in(data) or (
            is_form(data) and self._is_written_in(unquote_to_bytes(data.replace(b"+", b" ")))
        )

    def _is_written_in(self, data: bytes) -> bool:
        if self._quoted.search(data):
            return True
        text = data.decode("utf-8", "replace")
        return any(matcher.is_in(text) for matcher in self._unambiguous)


def _is_unambiguous(name: str, matcher: NameMatcher) -> bool:
    """Return whether the name means this person wherever it occurs, and is not a common word or number."""
    if matcher.is_email or matcher.is_phone:
        return True
    name = name.strip()
    return len(name) >= _MIN_ID_CHARS and any(map(str.isdigit, name)) and any(map(str.isalpha, name))


def _as_json(name: str) -> set[bytes]:
    """The forms that the name has in JSON, without the quotes."""
    return {msgspec.json.encode(name)[1:-1], json.dumps(name)[1:-1].encode()}
