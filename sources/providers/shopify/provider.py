"""Shopify: orders, customers, products and all other topics of a shop.

shopify.dev, "About webhooks", "Ignore duplicate webhooks" and "HTTPS webhook delivery". The signature is
HMAC-SHA256 of the body, without a time; the key is the app's client secret. The topic and the ids are in headers.

Only the body is signed, and it has no id of the event: a body of `orders/updated` has that of the order. So the
identity is the topic and X-Shopify-Event-Id, which Shopify names for finding duplicates, or else
X-Shopify-Webhook-Id, together with a hash of the body, which each retry has unchanged. These headers are not
signed: with forged ones, a recorded genuine request looks like a new event, or like an event of another topic.
They can never make the event of another body look like a duplicate, since the hash differs.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.shopify.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, view
from sources.shared.signature import check_hmac, hmac_text, required
from sources.shared.terms import id_after, terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE, _TOPIC = "x-shopify-hmac-sha256", "x-shopify-topic"
_EVENT_ID, _WEBHOOK_ID = "x-shopify-event-id", "x-shopify-webhook-id"

_RETRIES_S = 4 * 3600.0
"""Seconds in which Shopify retries 8 times. Only this end of the schedule is published."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature of the body. Raises SignatureError."""
    signature = required(request, _SIGNATURE)
    check_hmac(request.body, [signature], (secret.reveal() for secret in secrets), encode=b64encode)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the signature of a body."""
    return {_SIGNATURE: hmac_text(secret.reveal(), request.body)}


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
    """The event in a body; its name is the topic, such as `orders/create`."""
    content = parse_object(body)
    topic, event_id = headers.get(_TOPIC, ""), headers.get(_EVENT_ID) or headers.get(_WEBHOOK_ID) or ""
    return Event(
        name=topic or hint or UNKNOWN,
        identity="\x1f".join(filter(None, (topic, event_id, hash_of(body)))),
        # X-Shopify-Triggered-At is not signed. A body keeps its own times in retries.
        occurred_at_ms=milliseconds(content.get("updated_at") or content.get("created_at")),
        data=content,
        kind="event",
        remember_s=None if event_id else _RETRIES_S + 3600,
    )


def sample(number: int, event: str) -> bytes:
    """A body of a topic such as `orders/create`, with the keys that rules use most."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    resource = event.partition("/")[0]
    customer = {
        "id": 7_000_000_000_000 + number,
        "created_at": moment,
        "updated_at": moment,
        "first_name": "Ada",
        "last_name": f"Sample {number}",
        "email": f"member{number}@example.com",
        "phone": None,
        "tags": "",
    }
    if resource == "customers":
        return msgspec.json.encode(customer)
    subject: dict[str, Any] = {
        "id": 5_000_000_000_000 + number,
        "admin_graphql_api_id": f"gid://shopify/{resource.title().rstrip('s')}/{5_000_000_000_000 + number}",
        "created_at": moment,
        "updated_at": moment,
    }
    if resource == "orders":
        item = {"id": 9_000_000_000_000 + number, "title": "Tea", "sku": "TEA-1", "quantity": 1, "price": "19.99"}
        subject |= {
            "name": f"#{1000 + number}",
            "order_number": 1000 + number,
            "email": customer["email"],
            "currency": "EUR",
            "total_price": "19.99",
            "financial_status": "paid" if event == "orders/paid" else "pending",
            "fulfillment_status": None,
            "customer": customer,
            "line_items": [item],
        }
    return msgspec.json.encode(subject)


def sample_headers(number: int, event: str) -> Mapping[str, str]:
    """The headers that name and identify a sample."""
    seeds = [bytes.fromhex(hash_of(f"{part}/{event}/{number}".encode())) for part in ("event", "webhook")]
    return {
        _TOPIC: event,
        _EVENT_ID: str(UUID(bytes=seeds[0])),
        _WEBHOOK_ID: str(UUID(bytes=seeds[1])),
        "x-shopify-shop-domain": "sample.myshopify.com",
    }


_TYPED = TypedEvents(MODELS)

SHOPIFY = Provider(
    name="shopify",
    title="Shopify",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=sample_headers,
    sample_event="orders/create",
    signature_headers=(_SIGNATURE,),
    kept_headers=(_TOPIC, _EVENT_ID, _WEBHOOK_ID),
    deadline_s=5.0,
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("id", "order_number", "order_id", "customer_id", "email", "phone", "code"),
    customer=id_after(rb'"customer"\s{0,64}+:\s{0,64}+\{\s{0,64}+"id"\s{0,64}+:\s{0,64}+([0-9]{1,20}+)'),
    retry_schedule_s=(_RETRIES_S,),
    disabled_advice=(
        "Shopify deletes subscriptions that were made with its Admin API after 8 failures: subscribe to the "
        "topics again, and load what is missing from its API; those in an app's configuration file stay"
    ),
)
