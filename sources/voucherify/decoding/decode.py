"""Decodes a body to an event.

A webhook in Voucherify's own format, of an event with a model, is decoded fast: its name is guessed from the
bytes, and one pass checks the guess, decodes the envelope and the validated fields, and skips the rest. A raw
payload has its name in the URL, and is decoded in one pass if its transaction identifies it. Other bodies (custom
payloads, unknown names, wrong types) are decoded completely. Both ways give the same event.
"""

from __future__ import annotations

import hashlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from sources.event import Event
from sources.shared.json_body import object_with, parse_json
from sources.signed_request import NO_HEADERS, Headers
from sources.voucherify.decoding.envelope import Wrapped, unwrap
from sources.voucherify.decoding.event_names import identifying_name
from sources.voucherify.decoding.timestamps import EPOCH, milliseconds
from sources.voucherify.decoding.typed_payload import checked_model, typed
from sources.voucherify.models import MODELS
from sources.voucherify.retry_schedule import REDELIVERY_S
from sources.voucherify.signature import without_white_space
from sources.written_number import WrittenNumber

_Id = Annotated[str, Meta(min_length=1)]
_NOT_FOUND = 6
"""The start of the name if the bytes before it are not in the body."""

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


class _AnyEnvelope(Struct, Generic[_Data], frozen=True, gc=False):
    """An envelope with any payload and any event name."""

    data: _Data
    source: _Sender
    event: _Named


def _decoder(name: str) -> Callable[[bytes], _Envelope[str, Any]]:
    """A decoder for webhooks of this event; it raises ValidationError for any other body."""
    envelope = _Envelope[Literal[name], checked_model(name)]  # type: ignore[misc, valid-type]
    return msgspec.json.Decoder(envelope).decode


def _raw_decoder(model: type[Struct]) -> Callable[[bytes], Any]:
    """A decoder for raw payloads. A body with `data` beside the model's fields may be an envelope."""
    data = ("data", Raw | UnsetType, UNSET)
    return msgspec.json.Decoder(msgspec.defstruct("_Raw", [data], bases=(model,), kw_only=True, gc=False)).decode


# By the name in quotes, so that the end of a longer name does not count.
_decoder_of = {f'"{name}"'.encode(): _decoder(name) for name in MODELS}.get

_raw_decoders = {
    name: (_raw_decoder(model), model, identifying_name(name))
    for name in MODELS
    if (model := checked_model(name)) and "transaction" in model.__struct_fields__
}
_object_in_envelope = msgspec.json.Decoder(_AnyEnvelope[dict[str, Any]], float_hook=WrittenNumber)
_raw_in_envelope = msgspec.json.Decoder(_AnyEnvelope[Raw])


class _NamePlace:
    """The place of the event name in the last body with a known one. A wrong guess only costs time."""

    # Counted from the end: bodies of one kind of event differ before the name rather than after it. To search each
    # body takes a sixth of the time of decoding it.
    place = slice(0, 0)

    def search(self, body: bytes) -> Callable[[bytes], _Envelope[str, Any]] | None:
        """Return the decoder for the event name in a body, and remember its place; None without a known name."""
        start = body.rfind(b'"type":"') + 7  # Voucherify writes the event last, with one type in it
        if start == _NOT_FOUND:
            start = body.rfind(b'"type": "') + 8  # re-indented on its way
        end = body.find(b'"', start + 1) + 1
        decode_envelope = _decoder_of(body[start:end])
        if decode_envelope is not None:
            self.place = slice(start - len(body), end - len(body))
        return decode_envelope


_name = _NamePlace()


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; `hint` is the event name in the URL, or "". Raises DecodeError."""
    try:
        if not body.isascii():
            body.decode()  # the decoder skips fields without a type, and invalid UTF-8 in them
        decode_envelope = _decoder_of(body[_name.place]) or _name.search(body)
        if decode_envelope is not None:
            envelope = decode_envelope(body)
            source, event = envelope.source, envelope.event
            passed = event.created_at - EPOCH  # `timestamp` takes longer: it makes a large integer, then a float
            return Event(
                event.type,
                f"{source.id}\x1f{event.id}\x1f{event.entity_id}"
                if event.entity_id
                else f"{source.id}\x1f{event.id}",
                passed.days * 86_400_000 + passed.seconds * 1000 + passed.microseconds // 1000,
                envelope.data,
                "project" if source.object == "webhook" else "distribution",
                event.id,
            )
        if hint in _raw_decoders:
            decode_raw, model, identifying = _raw_decoders[hint]
            payload = decode_raw(body)
            booking = payload.transaction
            if payload.data is UNSET and booking is not None and booking.id:
                return Event(
                    hint,
                    f"{identifying}\x1f{booking.id}",
                    milliseconds(booking.created_at),
                    msgspec.convert(payload, model, from_attributes=True),
                    "raw",
                    booking.id,
                )
    except (ValueError, RecursionError):
        pass  # decoding it completely finds the error, if there is one
    return _decode_completely(body, hint)


def view(body: bytes) -> Mapping[str, Any]:
    """The payload as templates see it: `data`, or the whole body without an envelope.

    Raises DecodeError.
    """
    try:
        body.decode()
        return _object_in_envelope.decode(body).data
    except (ValueError, RecursionError):
        pass  # decoding it completely finds the error, if there is one
    payload = unwrap(parse_json(body, as_written=True), "").payload
    return payload if isinstance(payload, dict) else {"payload": payload}


def excerpt(keys: Iterable[str]) -> Callable[[bytes], Mapping[str, Any]]:
    """A faster `view`: it reads these keys only, but all of them where the body has no envelope."""
    envelope: Any = _AnyEnvelope[object_with(keys)]  # type: ignore[misc]
    decode_some = msgspec.json.Decoder(envelope, float_hook=WrittenNumber).decode

    def read(body: bytes) -> Mapping[str, Any]:
        try:
            if not body.isascii():
                body.decode()  # see `decode`
            payload: Mapping[str, Any] = decode_some(body).data
        except (ValueError, RecursionError):
            return view(body)
        return payload

    return read


def payload_json(body: bytes) -> bytes:
    """The JSON of `data`, copied from the body; b"" if it is not an object in an envelope."""
    try:
        if not body.isascii():
            body.decode()  # see `decode`
        raw = bytes(_raw_in_envelope.decode(body).data)
    except (ValueError, RecursionError):
        return b""
    return raw if raw.startswith(b"{") else b""


def _decode_completely(body: bytes, hint: str) -> Event:
    content = unwrap(parse_json(body), hint)
    return Event(
        name=content.name,
        identity=_identity(content, body),
        occurred_at_ms=milliseconds(content.created_at) if content.event_id else None,
        data=typed(content.name, content.payload, content.root),
        kind=content.kind,
        id=content.event_id,
        remember_s=None if content.event_id else REDELIVERY_S,
    )


def _identity(content: Wrapped, body: bytes) -> str:
    """(webhook, event, entity) of an envelope, (event name, booking) of a raw payload, else (event name, hash).

    The hash covers the same bytes as the signature, so white space and a byte order mark do not change the
    identity.
    """
    sender = identifying_name(content.name) if content.kind == "raw" else content.source_id
    if content.event_id:
        return "\x1f".join(filter(None, (sender, content.event_id, content.entity_id)))
    signed = without_white_space(body.removeprefix(BOM_UTF8))
    return f"{sender}\x1f{hashlib.blake2b(signed, digest_size=16).hexdigest()}"
