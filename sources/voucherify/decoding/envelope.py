"""How a payload is wrapped, read off the decoded JSON: which envelope, or none.

Three wrappings reach the same URL: the envelope of a project webhook; the envelope of a distribution, whose
`type` is free text and whose real event name is `event.type`; and the raw payload without any envelope, whose
name comes from the URL or, where its shape is certain, from the shape.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from sources.event import UNKNOWN

Kind = Literal["project", "distribution", "raw"]


class Wrapped(Struct, frozen=True):
    """A payload, and what its wrapping tells of the event."""

    kind: Kind
    name: str
    name_is_signed: bool
    """Whether the body tells the name, and not the URL."""

    source_id: str
    """Which webhook sent it, "" where nothing tells."""

    event_id: str
    """The event, or the booking behind a raw payload; "" where nothing tells."""

    entity_id: str
    """What the event is about, "" where nothing tells."""

    created_at: str | None
    payload: Any
    root: str
    """JSON path of the payload in the body."""


def unwrap(body: Any, hint: str) -> Wrapped:
    """Take a decoded body apart; `hint` is the name that the URL gave, or ""."""
    if is_envelope(body):
        return _enveloped(body, hint)
    transaction = _object(body, "transaction")
    return Wrapped(
        kind="raw",
        name=hint or name_by_shape(body),
        name_is_signed=not hint,
        source_id="",
        event_id=_text(transaction, "id"),
        entity_id="",
        created_at=_text(transaction, "created_at") or None,
        payload=body,
        root="$",
    )


def name_by_shape(payload: Any) -> str:
    """The event name that a raw payload can only have, `unknown` where several could.

    Raw payloads come from distributions alone.
    """
    booked = _text(_object(payload, "transaction"), "type")
    changed = _text(_object(payload, "balance"), "type")
    if booked == "POINTS_ADDITION" and changed == "loyalty_card":
        return "customer.voucher.loyalty_card.points_added"
    if booked == "CREDITS_ADDITION" and changed == "gift_voucher":
        return "customer.voucher.gift.balance_added"
    if booked == "POINTS_EXPIRATION" and isinstance(payload.get("buckets"), list):
        return "customer.voucher.loyalty_card.points_expired"
    if _text(_object(payload, "event_schema"), "id") and _text(_object(payload, "event"), "type"):
        return "customer.custom_event"
    return UNKNOWN


def is_envelope(body: Any) -> bool:
    """Whether decoded JSON is a webhook with a payload in it, and not a payload alone.

    A send-test may lack the event or the source; then its own id shows what it is.
    """
    if not isinstance(body, dict) or "data" not in body:
        return False
    event, source = _object(body, "event"), _object(body, "source")
    if _text(event, "id") and _text(source, "id") and _text(event, "type"):
        return True
    told = _text(event, "id") or _text(source, "id") or _text(body, "id").startswith("whs_")
    return bool(told) and isinstance(body.get("type"), str)


def _enveloped(body: dict[str, Any], hint: str) -> Wrapped:
    event, source = _object(body, "event"), _object(body, "source")
    event_id, source_id = _text(event, "id"), _text(source, "id")
    return Wrapped(
        kind=_kind(source),
        name_is_signed=bool(_text(event, "type")) or not hint,
        name=_text(event, "type") or hint or _text(body, "type") or UNKNOWN,
        source_id=source_id,
        event_id=event_id,
        entity_id=_text(event, "entity_id"),
        created_at=_text(event, "created_at") or None,
        payload=body["data"],
        root="$.data",
    )


def _kind(source: dict[str, Any]) -> Kind:
    """Who sends an envelope, by what it says of itself, else by its id; a project where nothing tells."""
    if _text(source, "object") == "distribution":
        return "distribution"
    if _text(source, "object") != "webhook" and _text(source, "id").startswith("distr_"):
        return "distribution"
    return "project"


def _object(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
