"""HubSpot: webhooks of apps, about contacts, companies, deals and the like.

developers.hubspot.com, "Validating requests", signature v3. What is signed is method, URL, body and timestamp,
by HMAC-SHA256 in base64 with the client secret of the app. The older signatures v1 and v2 have no time and are
not accepted. One request holds a JSON array of events.

An event is identified by everything in its item except `attemptNumber`, which counts the tries: `eventId` alone
is not known to be unique.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.hubspot.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import hash_of, parse_object, split_array, text_at, unix_ms, view
from sources.shared.signature import check_hmac, check_time, hmac_text, required, url_bytes
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE, _TIMESTAMP = "x-hubspot-signature-v3", "x-hubspot-request-timestamp"
_TOLERANCE_S = 300.0

_DECODED = re.compile(rb"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""The characters that HubSpot decodes in the URL before it signs it."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the timestamp, and the signature over method, URL, body and timestamp. Raises SignatureError."""
    signature, timestamp = required(request, _SIGNATURE), required(request, _TIMESTAMP)
    check_time(_TIMESTAMP, timestamp, request.now_s, tolerance_s=_TOLERANCE_S, unit_s=0.001)
    data = _signed(request, timestamp)
    check_hmac(data, [signature], (secret.reveal() for secret in secrets), encode=b64encode)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The headers with time and signature."""
    timestamp = str(int(request.now_s * 1000))
    return {_SIGNATURE: hmac_text(secret.reveal(), _signed(request, timestamp)), _TIMESTAMP: timestamp}


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the item has all
    """The event in an item of the array; its name is `subscriptionType`."""
    content = parse_object(body)
    same_in_each_try = {key: value for key, value in content.items() if key != "attemptNumber"}
    return Event(
        name=text_at(content, "subscriptionType") or hint or UNKNOWN,
        identity=hash_of(msgspec.json.encode(same_in_each_try, order="sorted")),
        occurred_at_ms=unix_ms(content.get("occurredAt"), unit_ms=1),
        data=content,
        kind="event",
    )


def sample(number: int, event: str) -> bytes:
    """An array of two events: a contact is created, and then the event that was asked for."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    created = {
        "eventId": number,
        "subscriptionId": 12345,
        "portalId": 62515,
        "appId": 54321,
        "occurredAt": now_ms,
        "subscriptionType": "contact.creation",
        "attemptNumber": 0,
        "objectId": number,
        "changeSource": "CRM",
    }
    changed = created | {
        "subscriptionId": 12346,
        "occurredAt": now_ms + 1,
        "subscriptionType": event,
        "propertyName": "lifecyclestage",
        "propertyValue": "customer",
    }
    return msgspec.json.encode([created, changed])


def _signed(request: SignedRequest, timestamp: str) -> bytes:
    url = _DECODED.sub(lambda match: bytes([int(match[1], 16)]), url_bytes(request))
    return request.method.encode() + url + request.body + timestamp.encode()


_TYPED = TypedEvents(MODELS)

HUBSPOT = Provider(
    name="hubspot",
    title="HubSpot",
    verify=verify,
    sign=sign,
    split=split_array,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="contact.propertyChange",
    signature_headers=(_SIGNATURE, "x-hubspot-signature"),
    signs_url=True,
    deadline_s=5.0,
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("eventId", "objectId", "portalId"),
)
"""HubSpot's retry schedule is not verified, so it has none here."""
