"""Square: webhooks of payments, orders, customers and the like.

developer.squareup.com, "Verify and Validate an Event Notification". What is signed is the URL of the
subscription and the body, by HMAC-SHA256 in base64. There is no time, so a recorded request can be sent again:
`event_id` is signed with the body, and makes it a duplicate.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.square.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, text_at, view
from sources.shared.signature import check_hmac, hmac_text, required, url_bytes
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE = "x-square-hmacsha256-signature"

_REMEMBER_S = 25 * 3600.0
"""Seconds for which an event without an id is remembered: Square retries for 24 hours."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature over URL and body. Raises SignatureError."""
    signature = required(request, _SIGNATURE)
    check_hmac(_signed(request), [signature], (secret.reveal() for secret in secrets), encode=b64encode)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the signature of URL and body."""
    return {_SIGNATURE: hmac_text(secret.reveal(), _signed(request))}


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; its name is `type`."""
    content = parse_object(body)
    event_id = text_at(content, "event_id")
    return Event(
        name=text_at(content, "type") or hint or UNKNOWN,
        identity=event_id or hash_of(body),
        occurred_at_ms=milliseconds(content.get("created_at")),
        data=content,
        kind="event",
        remember_s=None if event_id else _REMEMBER_S,
    )


def sample(number: int, event: str) -> bytes:
    """A body with a payment, or the object that the event's name begins with."""
    name = event.partition(".")[0]
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    subject = {
        "id": f"{name}-{number:08d}",
        "amount_money": {"amount": 1999, "currency": "EUR"},
        "buyer_email_address": f"member{number}@example.com",
        "order_id": f"order-{number:08d}",
        "status": "COMPLETED",
        "created_at": now,
    }
    seed = hashlib.blake2b(f"{event}/{number}".encode(), digest_size=16).digest()
    return msgspec.json.encode(
        {
            "merchant_id": "MLEXAMPLE0001",
            "type": event,
            "event_id": str(UUID(bytes=seed)),
            "created_at": now,
            "data": {"type": name, "id": subject["id"], "object": {name: subject}},
        }
    )


def _signed(request: SignedRequest) -> bytes:
    return url_bytes(request) + request.body


_TYPED = TypedEvents(MODELS)

SQUARE = Provider(
    name="square",
    title="Square",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="payment.updated",
    signature_headers=(_SIGNATURE, "x-square-signature"),
    signs_url=True,
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("event_id", "id", "order_id", "customer_id", "buyer_email_address"),
)
"""Square retries by a schedule that it does not publish."""
