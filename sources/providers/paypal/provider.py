"""PayPal: webhooks of payments, orders, subscriptions and disputes.

developer.paypal.com, "Integrate webhooks", and paypalrestsdk/notifications.py in PayPal's Python library. What is
signed, by RSA with SHA-256, is `{transmission id}|{time}|{webhook id}|{CRC-32 of the body}`. A verifier does no
I/O, so the certificate is part of the secret: the operator downloads it once. The URL of the certificate in the
header is only compared with paypal.com, and never fetched.

**CRC-32 is no protection against an attacker**: with a recorded genuine request, an attacker can make another
body that has the same checksum. The time of the transmission is signed, so such a body is accepted for 4 days at
most. The identity is the id in the body, since no documentation says that a retry keeps the transmission id.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.paypal.key import new_secret, read_key
from sources.providers.paypal.models import MODELS
from sources.providers.paypal.signature import SIGNATURE, TOLERANCE_S, sign, verify
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, text_at, view
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers


def check_secret(secret: Secret) -> str:
    """Why a text is no secret of a PayPal source, "" if it is one."""
    try:
        read_key(secret)
    except ValueError:
        return (
            "not a webhook id of PayPal with a certificate: expected the id on the first line, and below it "
            "PayPal's certificate or RSA public key in PEM"
        )
    return ""


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; its name is `event_type`."""
    content = parse_object(body)
    event_id = text_at(content, "id")
    return Event(
        name=text_at(content, "event_type") or hint or UNKNOWN,
        identity=event_id or hash_of(body),
        occurred_at_ms=milliseconds(content.get("create_time")),
        data=content,
        kind="event",
        remember_s=None if event_id else TOLERANCE_S,
    )


def sample(number: int, event: str) -> bytes:
    """A body with a payment, or another resource that the event's name begins with."""
    seed = hashlib.blake2b(f"{event}/{number}".encode(), digest_size=16).hexdigest().upper()
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode(
        {
            "id": f"WH-{seed[:17]}-{seed[15:]}",
            "event_version": "1.0",
            "create_time": now,
            "resource_type": event.rsplit(".", 1)[0].rpartition(".")[2].lower(),
            "event_type": event,
            "summary": f"Sample {number}",
            "resource": {
                "id": f"{number:017d}",
                "status": "COMPLETED",
                "amount": {"currency_code": "EUR", "value": "19.99"},
                "payer": {"email_address": f"member{number}@example.com"},
            },
        }
    )


_TYPED = TypedEvents(MODELS)

PAYPAL = Provider(
    name="paypal",
    title="PayPal",
    verify=verify,
    sign=sign,
    check_secret=check_secret,
    new_secret=new_secret,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="PAYMENT.CAPTURE.COMPLETED",
    signature_headers=(SIGNATURE,),
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("id", "email_address", "custom_id", "invoice_id", "parent_payment"),
)
"""PayPal sends a failed webhook up to 25 times in 3 days, by a schedule that it does not publish."""
