"""Body -> event.

A webhook that is as Voucherify writes it, of an event with a model, takes the short way: its name is guessed from
the bytes, and one pass over them decodes the envelope and checks the fields that are relied on, skipping the rest.
Whatever is not so (raw and designed payloads, unknown names, wrong types) goes the long way over the whole JSON.
Both give the same event.
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from sources.event import Event
from sources.voucherify.decoding.envelope import Wrapped, unwrap
from sources.voucherify.decoding.event_names import identifying_name
from sources.voucherify.decoding.parsing import parsed
from sources.voucherify.decoding.timestamps import milliseconds
from sources.voucherify.decoding.typed_payload import checked_model, typed
from sources.voucherify.models import MODELS
from sources.voucherify.retry_schedule import REDELIVERY_S
from sources.voucherify.signature import without_white_space
from sources.written_number import WrittenNumber

_Id = Annotated[str, Meta(min_length=1)]
_Name = TypeVar("_Name")
_Data = TypeVar("_Data")


class _Source(Struct, frozen=True, gc=False):
    id: _Id
    object: Literal["webhook", "distribution"]


class _EventMeta(Struct, Generic[_Name], frozen=True, gc=False):
    id: _Id
    type: _Name
    created_at: Annotated[datetime, Meta(tz=True)]
    entity_id: str | None = None


class _Envelope(Struct, Generic[_Name, _Data], frozen=True, gc=False):
    data: _Data
    source: _Source
    event: _EventMeta[_Name]


class _Named(Struct, frozen=True, gc=False):
    id: _Id
    type: _Id


class _Sender(Struct, frozen=True, gc=False):
    id: _Id


class _Around(Struct, Generic[_Data], frozen=True, gc=False):
    """What is certainly an envelope, whatever is in it."""

    data: _Data
    source: _Sender
    event: _Named


def _decoder(name: str) -> Callable[[bytes], _Envelope[str, Any]]:
    """Decodes webhooks of just this event; any other body is a ValidationError."""
    envelope = _Envelope[Literal[name], checked_model(name)]  # type: ignore[misc, valid-type]
    return msgspec.json.Decoder(envelope).decode


_short_way = {name.encode(): _decoder(name) for name in MODELS}
_object_in_envelope = msgspec.json.Decoder(_Around[dict[str, Any]], float_hook=WrittenNumber)
_raw_in_envelope = msgspec.json.Decoder(_Around[Raw])


def decode(body: bytes, hint: str) -> Event:
    """The event in a body; `hint` is the name that the URL gave, or "". Raises DecodeError."""
    try:
        if not body.isascii():
            body.decode()  # what nobody types is skipped over, so bad UTF-8 in it must be found here
        start = body.rfind(b'"type":"') + 8  # Voucherify writes the event last, and it has no type but its own
        decode_envelope = _short_way.get(body[start : body.find(b'"', start)])
        if decode_envelope is not None:
            envelope = decode_envelope(body)
            source, event = envelope.source, envelope.event
            return Event(
                event.type,
                f"{source.id}\x1f{event.id}\x1f{event.entity_id}"
                if event.entity_id
                else f"{source.id}\x1f{event.id}",
                int(event.created_at.timestamp() * 1000),
                envelope.data,
                "project" if source.object == "webhook" else "distribution",
            )
    except (ValueError, RecursionError):
        pass  # the long way tells what is wrong, if anything is
    return _decode_the_long_way(body, hint)


def view(body: bytes) -> Mapping[str, Any]:
    """The payload's keys as templates see them: those of `data`, or of the root without an envelope.

    Raises DecodeError.
    """
    try:
        body.decode()
        return _object_in_envelope.decode(body).data
    except (ValueError, RecursionError):
        pass  # the long way tells what is wrong, if anything is
    payload = unwrap(parsed(body, as_written=True), "").payload
    return payload if isinstance(payload, dict) else {"payload": payload}


def payload_json(body: bytes) -> bytes:
    """The JSON of `data` as it stands in a body; b"" where it is no object in an envelope."""
    try:
        if not body.isascii():
            body.decode()  # see `decode`
        raw = bytes(_raw_in_envelope.decode(body).data)
    except (ValueError, RecursionError):
        return b""
    return raw if raw.startswith(b"{") else b""


def _decode_the_long_way(body: bytes, hint: str) -> Event:
    wrapped = unwrap(parsed(body), hint)
    return Event(
        name=wrapped.name,
        identity=_identity(wrapped, body),
        occurred_at_ms=milliseconds(wrapped.created_at) if wrapped.event_id else None,
        data=typed(wrapped.name, wrapped.payload, wrapped.root),
        kind=wrapped.kind,
        remember_s=None if wrapped.event_id else REDELIVERY_S,
    )


def _identity(wrapped: Wrapped, body: bytes) -> str:
    """(webhook, event, entity) of an envelope, (event name, booking) of a raw payload, else (event name, hash).

    The hash is of what the signature covers, so white space and a byte order mark make no other identity.
    """
    sender = identifying_name(wrapped.name) if wrapped.kind == "raw" else wrapped.source_id
    if wrapped.event_id:
        return "\x1f".join(filter(None, (sender, wrapped.event_id, wrapped.entity_id)))
    signed = without_white_space(body.removeprefix(BOM_UTF8))
    return f"{sender}\x1f{hashlib.blake2b(signed, digest_size=16).hexdigest()}"
