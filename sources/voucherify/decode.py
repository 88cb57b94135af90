"""Body -> event.

Three wrappings reach the same URL: the envelope of a project webhook; the envelope of a distribution, whose
`type` is free text and whose real event name is `event.type`; and the raw payload without any envelope, whose
name comes from the URL or, where its shape is certain, from the shape.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from sources.voucherify.models import EventMeta, PointsAdded, Source

POINTS_ADDED = frozenset({"customer.voucher.loyalty_card.points_added", "voucher.loyalty_card.points_added"})

_RAW_NAMES = {
    ("POINTS_ADDITION", "loyalty_card"): "customer.voucher.loyalty_card.points_added",
    ("CREDITS_ADDITION", "gift_voucher"): "customer.voucher.gift.balance_added",
}
"""(transaction.type, balance.type) that only one event name has. Raw payloads come from distributions alone."""

_POINTS_ADDED_KEYS = frozenset(PointsAdded.__struct_fields__)
_MSGSPEC_PATH = re.compile(r" - at `\$(.*)`$")


class _Envelope(Struct, frozen=True):
    id: str | None = None
    type: str | None = None
    data: Raw | UnsetType = UNSET
    source: Source | None = None
    event: EventMeta | None = None


_envelope = msgspec.json.Decoder(_Envelope)
_points_added = msgspec.json.Decoder(PointsAdded)
_anything = msgspec.json.Decoder()


def decode(body: bytes, hint: str) -> Event:
    """The event in a body; `hint` is the name that the URL gave, or "". Raises DecodeError."""
    try:
        body.decode()  # data that nobody types is skipped over, so bad UTF-8 in it must be found here
        envelope = _envelope_of(body)
        if envelope is None:
            return _raw_event(body, hint)
        return _enveloped_event(envelope, body, hint)
    except DecodeError:
        raise
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8: byte {error.start} is {body[error.start]:#04x}") from None
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError as error:
        raise _translated(error) from None


def view(body: bytes) -> Mapping[str, Any]:
    """The payload's keys as templates see them: those of `data`, or of the root without an envelope."""
    try:
        envelope = _envelope_of(body)
        payload = _anything.decode(body if envelope is None else bytes(envelope.data))  # type: ignore[arg-type]
    except RecursionError:
        raise DecodeError("nested too deeply") from None
    except ValueError as error:
        raise _translated(error) from None
    return payload if isinstance(payload, dict) else {"payload": payload}


def _envelope_of(body: bytes) -> _Envelope | None:
    try:
        envelope = _envelope.decode(body)
    except msgspec.ValidationError:
        return None  # sound JSON of another shape: a payload designer's
    enveloped = (
        envelope.type is not None
        and envelope.data is not UNSET
        and ((envelope.event and envelope.event.id) or (envelope.source and envelope.source.id))
    )
    return envelope if enveloped else None


def _enveloped_event(envelope: _Envelope, body: bytes, hint: str) -> Event:
    event = envelope.event or EventMeta()
    source_id = (envelope.source.id if envelope.source else None) or ""
    name = event.type or hint or envelope.type or UNKNOWN
    return Event(
        name=name,
        identity=f"{source_id}\x1f{event.id}" if event.id else _hash(body),
        occurred_at_ms=_milliseconds(event.created_at) if event.id else None,
        data=_typed(name, bytes(envelope.data), "$.data"),  # type: ignore[arg-type]
    )


def _raw_event(body: bytes, hint: str) -> Event:
    payload = _anything.decode(body)
    transaction = _object(payload, "transaction")
    name = hint or _name_by_shape(payload)
    transaction_id = transaction.get("id")
    if not isinstance(transaction_id, str):
        return Event(name=name, identity=_hash(body), occurred_at_ms=None, data=_typed(name, body, "$"))
    return Event(
        name=name,
        identity=f"{name}\x1f{transaction_id}",
        occurred_at_ms=_milliseconds(transaction.get("created_at")),
        data=_typed(name, body, "$"),
    )


def _typed(name: str, payload: bytes, root: str) -> Any:
    if name not in POINTS_ADDED:
        return _anything.decode(payload)
    try:
        return _points_added.decode(payload)
    except msgspec.ValidationError as error:
        generic = _anything.decode(payload)
        if isinstance(generic, dict) and generic.keys() >= _POINTS_ADDED_KEYS:
            raise _translated(error, root) from None
        return generic  # a payload designer may give this event any shape


def _name_by_shape(payload: Any) -> str:
    booked = _object(payload, "transaction").get("type")
    changed = _object(payload, "balance").get("type")
    if not isinstance(booked, str) or not isinstance(changed, str):
        return UNKNOWN
    return _RAW_NAMES.get((booked, changed), UNKNOWN)


def _object(payload: Any, key: str) -> dict[str, Any]:
    found = payload.get(key) if isinstance(payload, dict) else None
    return found if isinstance(found, dict) else {}


def _milliseconds(timestamp: object) -> int | None:
    if not isinstance(timestamp, str):
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _hash(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _translated(error: Exception, root: str = "$") -> DecodeError:
    message = str(error)
    place = _MSGSPEC_PATH.search(message)
    if place is None:
        return DecodeError(message, path=root)
    return DecodeError(message[: place.start()], path=root + place[1])
