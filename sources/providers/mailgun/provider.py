"""Mailgun: what became of e-mails that were sent.

documentation.mailgun.com, "Securing webhooks". The signature stands in the body and covers only a timestamp and
a random token, by HMAC-SHA256 in hex. **The event itself is not signed.** An attacker who has recorded one
request can put its signature under any other event. Two things limit that:

- The identity is timestamp and token, not the event's id. One signature is accepted once: with another event
  under it, the body is a duplicate. Both count together, since they are signed without a separator.
- A timestamp is at most 23 h old at receipt. Identities are remembered for a day or more, so a signature that is
  still accepted is remembered.

So a forged event passes only if it arrives before the genuine one. Only TLS prevents that.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sources.errors import DecodeError, SignatureError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.mailgun.models import MODELS
from sources.secret import Secret
from sources.shared import json_body
from sources.shared.json_body import hash_of, parse_object, text_at, unix_ms
from sources.shared.signature import check_hmac, check_time, hmac_text, in_hex
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE, _EVENT = "signature", "event-data"

_TOLERANCE_S = 23 * 3600.0
"""Longer than the 8 h for which Mailgun retries, shorter than the shortest dedupe window."""

_REMEMBER_S = 86_400.0


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the timestamp, and the signature of timestamp and token. Raises SignatureError."""
    try:
        content = parse_object(request.body)
    except DecodeError as error:
        raise SignatureError(f"the signature cannot be read, since the body is malformed: {error}") from None
    timestamp, token = _timestamp(content), text_at(content, _SIGNATURE, "token")
    # The second one is there for subaccounts, signed with the key of the main account.
    sent = [text_at(content, _SIGNATURE, name) for name in ("signature", "parent-signature")]
    if not token or not any(sent):
        raise SignatureError("the body has no signature with timestamp, token and signature")
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise SignatureError("the timestamp of the signature is malformed: expected a whole number since 1970")
    check_time("signature.timestamp", timestamp, request.now_s, tolerance_s=_TOLERANCE_S)
    check_hmac(_signed(timestamp, token), filter(None, sent), (secret.reveal() for secret in secrets))


def sign_body(request: SignedRequest, secret: Secret) -> bytes:
    """The body with a new signature; a body that is no JSON object is returned unchanged."""
    try:
        content = parse_object(request.body)
    except DecodeError:
        return request.body
    timestamp, token = str(int(request.now_s)), hash_of(request.body)
    key = secret.reveal()
    signature = hmac_text(key, _signed(timestamp, token), encode=in_hex)
    content[_SIGNATURE] = {"timestamp": timestamp, "token": token, "signature": signature}
    return msgspec.json.encode(content)


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; its name is `event-data.event`, its identity what was signed."""
    content = parse_object(body)
    timestamp, token = _timestamp(content), text_at(content, _SIGNATURE, "token")
    event = content.get(_EVENT)
    event = event if isinstance(event, dict) else {}
    return Event(
        name=text_at(event, "event") or hint or UNKNOWN,
        identity=timestamp + token if token else hash_of(body),
        occurred_at_ms=unix_ms(event.get("timestamp"), unit_ms=1000),
        data=event,
        kind="event",
        remember_s=None if token else _REMEMBER_S,
    )


def view(body: bytes) -> Mapping[str, Any]:
    """The event without the signature, so that templates write `{{ recipient }}`. Raises DecodeError."""
    content = json_body.view(body)
    event = content.get(_EVENT)
    return event if isinstance(event, dict) else content


def sample(number: int, event: str) -> bytes:
    """A body with an event of a message, which is not signed yet."""
    seed = hashlib.blake2b(f"{event}/{number}".encode(), digest_size=11).hexdigest()
    content = {
        "id": seed,
        "event": event,
        "timestamp": int(time.time()),
        "recipient": f"member{number}@example.com",
        "recipient-domain": "example.com",
        "severity": "permanent",
        "delivery-status": {"code": 550, "message": "No such mailbox", "attempt-no": 1},
        "message": {"headers": {"message-id": f"{seed}@mg.example.com", "subject": f"Sample {number}"}},
        "tags": ["sample"],
        **({"url": "https://example.com/offer"} if event == "clicked" else {}),
    }
    return msgspec.json.encode({_EVENT: content})


def _timestamp(content: Mapping[str, Any]) -> str:
    signature = content.get(_SIGNATURE)
    timestamp = signature.get("timestamp") if isinstance(signature, dict) else ""
    is_number = isinstance(timestamp, int) and not isinstance(timestamp, bool)
    return str(timestamp) if is_number or isinstance(timestamp, str) else ""


def _signed(timestamp: str, token: str) -> bytes:
    return (timestamp + token).encode("utf-8", "surrogatepass")


_TYPED = TypedEvents(MODELS, root=f"$.{_EVENT}")

MAILGUN = Provider(
    name="mailgun",
    title="Mailgun",
    verify=verify,
    sign=lambda _request, _secret: {},
    sign_body=sign_body,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="failed",
    signature_headers=(),
    success_status=200,
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("message-id", "recipient", "id"),
)
"""Mailgun takes only 200 as success, and 406 as a refusal; after any other status it sends the webhook again for
8 h. Two copies of its schedule differ, so it has none here."""
