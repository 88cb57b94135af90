"""The events of configured providers: their names, identities and arrays, and samples of them."""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from sources.configured.json_path import JsonPath, parse_path, placed, value_at
from sources.configured.places import Place, place_of_value
from sources.configured.settings import EventSettings
from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from sources.provider import UrlEventUse
from sources.shared.json_body import hash_of, parse_json, split_array
from sources.signed_request import NO_HEADERS, Headers

REMEMBER_S = 4 * 86_400.0
"""Seconds for which an event is remembered that only a hash of its body identifies. Longer than most providers
retry."""

MAX_NAME_CHARS = 200
MAX_ID_CHARS = 256

_decode_table = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Events(Struct, frozen=True):
    """Finds the events in the bodies of one source, as pure functions."""

    name_at: Place
    id_at: Place
    array_at: JsonPath | None
    """The path of the array whose items are events; None if each body is one event."""

    is_id_signed: bool
    """True if the id is in a header that the signature covers, so that it identifies the event alone."""

    @property
    def is_named_by_url(self) -> bool:
        """True if nothing but `?event=` in the webhook's URL names an event."""
        return self.name_at == Place()

    def url_event(self, _body: bytes, event: str) -> UrlEventUse:
        """How an event name in the URL is used: as the only name, or not at all."""
        return "possible" if event and self.is_named_by_url else "ignored"

    def headers(self) -> tuple[str, ...]:
        """The headers that name or identify an event."""
        return tuple(dict.fromkeys(place.header for place in (self.name_at, self.id_at) if place.header))

    def decode(self, body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
        """The event in a body of JSON. Raises DecodeError."""
        content = parse_json(body)
        name = _text_at(self.name_at, content, headers) or (hint if self.is_named_by_url else "") or UNKNOWN
        if len(name) > MAX_NAME_CHARS:
            raise DecodeError(f"the event's name is longer than {MAX_NAME_CHARS} characters")
        event_id = _text_at(self.id_at, content, headers)
        if len(event_id) > MAX_ID_CHARS:
            event_id = hash_of(event_id.encode("utf-8", "surrogatepass"))
        return Event(
            name=name,
            identity=self._identity(event_id, body),
            occurred_at_ms=None,
            data=content,
            kind="event",
            remember_s=None if event_id else REMEMBER_S,
        )

    def split(self, body: bytes) -> Sequence[bytes]:
        """The items of the array, with their bytes unchanged; a body without it is the only item. Raises
        DecodeError."""
        if not self.array_at:
            return split_array(body)
        rest = body.removeprefix(BOM_UTF8)
        if not isinstance(value_at(parse_json(rest), self.array_at), list):
            return [body]
        for step in self.array_at:
            rest = bytes(_decode_table(rest)[step] if isinstance(step, str) else _decode_array(rest)[step])
        return [bytes(item) for item in _decode_array(rest)]

    def sample(self, number: int, event: str) -> bytes:
        """A body with its event's name and id where they are expected. Each number is another event."""
        content: Any = {"number": number, "customer": {"email": f"member{number}@example.com"}}
        if self.name_at.path and isinstance(self.name_at.path[0], int):
            content = [number]
        if self.id_at.path:
            content = placed(content, self.id_at.path, f"id-{event}-{number}")
        if self.name_at.path:
            content = placed(content, self.name_at.path, event)
        if self.array_at is not None:
            content = placed({}, self.array_at, [content])
        return msgspec.json.encode(content)

    def sample_headers(self, number: int, event: str) -> Mapping[str, str]:
        """The headers that name and identify a sample."""
        seed = hashlib.blake2b(f"{event}/{number}".encode(), digest_size=16).hexdigest()
        headers = {self.id_at.header: seed} if self.id_at.header else {}
        return headers | ({self.name_at.header: event} if self.name_at.header else {})

    def _identity(self, event_id: str, body: bytes) -> str:
        # In a header that is not signed, an id could be forged so that another event counts as a duplicate. With
        # the hash it can only make a recorded request look new.
        if not event_id:
            return hash_of(body)
        # Items of one body share its headers.
        if self.id_at.header and not (self.is_id_signed and self.array_at is None):
            return f"{event_id}\x1f{hash_of(body)}"
        return event_id


def events_of(settings: EventSettings, signed: Collection[str] = ()) -> Events:
    """Make the functions for these settings. signed: the headers that the signature covers. Raises ValueError."""
    id_at = place_of_value(settings.id)
    return Events(
        name_at=place_of_value(settings.event),
        id_at=id_at,
        array_at=parse_path(settings.split) if settings.split else None,
        is_id_signed=id_at.header in signed,
    )


def _text_at(place: Place, content: Any, headers: Headers) -> str:
    """The text or whole number at a place, "" for anything else."""
    value = value_at(content, place.path) if place.path else headers.get(place.header, "")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if value.bit_length() <= 512 else ""
    return value if isinstance(value, str) else ""
