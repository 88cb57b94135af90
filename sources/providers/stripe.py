"""Stripe: payments, invoices, subscriptions and all other events of an account.

docs.stripe.com, "Receive Stripe events in your webhook endpoint". What is signed is `{t}.{body}` with HMAC-SHA256,
whose key is the whole text of the secret, with its `whsec_`. The header holds a signature for each secret that is
valid while a secret is rolled. Each try has a new time and so a new signature; the event keeps its id. Stripe
sends the same event again for up to three days, and in no certain order.
"""

from __future__ import annotations

import secrets as random_secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, text_at, unix_ms, view
from sources.shared.signature import check_hmac, check_time, hmac_text, in_hex, malformed, required
from sources.shared.terms import terms_of_keys
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE = "stripe-signature"
_PREFIX = "whsec_"
_TOLERANCE_S = 300.0
_MAX_PARTS = 32

_RETRIES_S = 3 * 86_400.0
"""Seconds for which Stripe sends an event again. Only this end of the schedule is published."""

_ID_PREFIXES = {"payment_intent": "pi", "invoice": "in", "checkout.session": "cs_test", "charge": "ch"}


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the time and the signatures of the body. Raises SignatureError."""
    timestamp, sent = _parts(required(request, _SIGNATURE))
    check_time(_SIGNATURE, timestamp, request.now_s, tolerance_s=_TOLERANCE_S)
    check_hmac(_signed(timestamp, request.body), sent, (secret.reveal() for secret in secrets))


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the time and the signature of a body."""
    timestamp = str(int(request.now_s))
    signature = hmac_text(secret.reveal(), _signed(timestamp, request.body), encode=in_hex)
    return {_SIGNATURE: f"t={timestamp},v1={signature}"}


def check_secret(secret: Secret) -> str:
    """Why a text is no signing secret of Stripe, "" if it is one."""
    if secret.reveal().startswith(_PREFIX.encode()):
        return ""
    return "not a signing secret of Stripe: expected whsec_..., which it shows with the endpoint, and no API key"


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; its name is `type`, such as `invoice.paid`, its identity `id`."""
    content = parse_object(body)
    event_id, created = text_at(content, "id"), content.get("created")
    return Event(
        name=text_at(content, "type") or hint or UNKNOWN,
        identity=event_id or hash_of(body),
        # Thin events write an ISO time instead of seconds.
        occurred_at_ms=milliseconds(created) if isinstance(created, str) else unix_ms(created, unit_ms=1000),
        data=content,
        kind="event",
        remember_s=None if event_id else _RETRIES_S,
    )


def sample(number: int, event: str) -> bytes:
    """An event with the keys that rules use most, indented as Stripe does."""
    kind, now_s = event.rpartition(".")[0], int(time.time())
    subject: dict[str, Any] = {
        "id": f"{_ID_PREFIXES.get(kind, 'obj')}_{number:014d}",
        "object": kind,
        "created": now_s,
        "currency": "eur",
        "customer": f"cus_{number:014d}",
        "livemode": False,
        "metadata": {"order_id": f"order-{number}"},
    }
    email = f"member{number}@example.com"
    if kind == "payment_intent":
        subject |= {"amount": 1999, "amount_received": 1999, "status": "succeeded", "receipt_email": email}
    elif kind == "invoice":
        url = f"https://invoice.stripe.com/i/sample/{number}"
        subject |= {"number": f"SAMPLE-{number:04d}", "amount_due": 1999, "amount_paid": 0, "attempt_count": 1}
        subject |= {"customer_email": email, "hosted_invoice_url": url, "status": "open"}
    elif kind == "checkout.session":
        subject |= {"amount_total": 1999, "mode": "payment", "payment_status": "paid"}
        subject |= {"payment_intent": f"pi_{number:014d}", "customer_details": {"email": email}}
    elif kind == "charge":
        subject |= {"amount": 1999, "amount_refunded": 1999, "refunded": True}
        subject |= {"payment_intent": f"pi_{number:014d}", "billing_details": {"email": email}}
    content = {
        "id": f"evt_{hash_of(f'{event}/{number}'.encode())[:24]}",
        "object": "event",
        "api_version": "2026-10-28",
        "created": now_s,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event,
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2)


def _parts(header: str) -> tuple[str, list[str]]:
    """The time and the signatures of version 1; those of other versions are ignored."""
    parts = [part.partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in parts if name == "t"]
    signatures = [value for name, value in parts if name == "v1"]
    if len(times) != 1 or not signatures or len(parts) > _MAX_PARTS:
        raise malformed(_SIGNATURE, "t=SECONDS,v1=SIGNATURE")
    return times[0], signatures


def _signed(timestamp: str, body: bytes) -> bytes:
    return timestamp.encode() + b"." + body


STRIPE = Provider(
    name="stripe",
    title="Stripe",
    verify=verify,
    sign=sign,
    check_secret=check_secret,
    new_secret=lambda: _PREFIX + random_secrets.token_urlsafe(24),
    decode=decode,
    view=view,
    sample=sample,
    sample_event="payment_intent.succeeded",
    signature_headers=(_SIGNATURE,),
    terms=terms_of_keys("id", "customer", "payment_intent", "invoice", "subscription", "charge", "order_id"),
    retry_schedule_s=(_RETRIES_S,),
    disabled_advice=(
        "look in Stripe under Webhooks whether the endpoint is still enabled, and send from there again what was "
        "not delivered"
    ),
)
