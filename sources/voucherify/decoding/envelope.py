"""Finds the envelope of a payload in the decoded JSON, if there is one.

Three formats reach the same URL: the envelope of a project webhook; the envelope of a distribution, whose
`type` is free text and whose real event name is `event.type`; and the raw payload without any envelope, whose
name comes from the URL, or from the shape if that is unambiguous.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from sources.event import UNKNOWN

Kind = Literal["project", "distribution", "raw"]


class Wrapped(Struct, frozen=True):
    """A payload, with the facts about the event from its envelope."""

    kind: Kind
    name: str
    name_is_signed: bool
    """True if the name is from the body, False if it is from the URL."""

    source_id: str
    """The id of the sending webhook, "" if unknown."""

    event_id: str
    """The id of the event, or of the transaction in a raw payload; "" if unknown."""

    entity_id: str
    """The id of the object of the event, "" if unknown."""

    created_at: str | None
    payload: Any
    root: str
    """The JSON path of the payload in the body."""


def unwrap(body: Any, hint: str) -> Wrapped:
    """Separate the payload of a decoded body from its envelope; `hint` is the event name in the URL, or ""."""
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
    """The only event name that a raw payload can have, `unknown` if several are possible.

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
    """True if decoded JSON is a webhook with an envelope, False for a payload alone.

    A test send may lack the event or the source; then its own id identifies it.
    """
    if not isinstance(body, dict) or "data" not in body:
        return False
    event, source = _object(body, "event"), _object(body, "source")
    if _text(event, "id") and _text(source, "id") and _text(event, "type"):
        return True
    has_id = _text(event, "id") or _text(source, "id") or _text(body, "id").startswith("whs_")
    return bool(has_id) and isinstance(body.get("type"), str)


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
    """The kind of an envelope, by the object type of its source, else by the id of its source; else a project."""
    if _text(source, "object") == "distribution":
        return "distribution"
    if _text(source, "object") != "webhook" and _text(source, "id").startswith("distr_"):
        return "distribution"
    return "project"


def _object(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _text(value: dict[str, Any], key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""
