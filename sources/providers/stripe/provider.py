"""Stripe: payments, invoices, subscriptions and all other events of an account.

docs.stripe.com, "Receive Stripe events in your webhook endpoint". What is signed is `{t}.{body}` with HMAC-SHA256,
whose key is the whole text of the secret, with its `whsec_`. The header holds a signature for each secret that is
valid while a secret is rolled. Each try has a new time and so a new signature; the event keeps its id. Stripe
sends the same event again for up to three days, and in no certain order.
"""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Sequence

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.stripe.models import MODELS
from sources.providers.stripe.samples import sample
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, text_at, unix_ms, view
from sources.shared.signature import check_hmac, check_time, hmac_text, in_hex, malformed, required
from sources.shared.terms import id_after, terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE = "stripe-signature"
_PREFIX = "whsec_"
_TOLERANCE_S = 300.0
_MAX_PARTS = 32

_RETRIES_S = 3 * 86_400.0
"""Seconds for which Stripe sends an event again. Only this end of the schedule is published."""


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


_TYPED = TypedEvents(MODELS)

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
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("id", "customer", "payment_intent", "invoice", "subscription", "charge", "order_id"),
    customer=id_after(rb'"(cus_[0-9A-Za-z]{4,64}+)"'),
    retry_schedule_s=(_RETRIES_S,),
    disabled_advice=(
        "look in Stripe under Webhooks whether the endpoint is still enabled, and send from there again what was "
        "not delivered"
    ),
)
