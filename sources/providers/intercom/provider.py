"""Intercom: conversations, contacts and tickets of a workspace.

developers.intercom.com, "Set up Webhooks" and "Webhook Notifications". The signature is HMAC-SHA1 of the body,
without a time; the key is the app's client secret. The id of a notification is in the body, and stays the same
when it is sent again, while `delivery_attempts` grows. Intercom expects the status 200 within 5 s, and checks a
new URL with HEAD.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.intercom.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import hash_of, parse_object, text_at, unix_ms, view
from sources.shared.signature import after_prefix, check_hmac, hmac_text, in_hex, required
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Answer, Headers, SignedRequest

_SIGNATURE = "x-hub-signature"
_PREFIX = "sha1="

_REMEMBER_S = 3 * 3600.0
"""Seconds for which a notification without an id, such as `ping`, is remembered: Intercom drops one that it holds
back after 2 hours."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature of the body. Raises SignatureError."""
    signature = after_prefix(_SIGNATURE, required(request, _SIGNATURE), _PREFIX)
    check_hmac(request.body, [signature], (secret.reveal() for secret in secrets), algorithm="sha1")


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the signature of a body."""
    return {_SIGNATURE: _PREFIX + hmac_text(secret.reveal(), request.body, algorithm="sha1", encode=in_hex)}


def handshake(request: SignedRequest) -> Answer | None:
    """The answer to HEAD, with which Intercom checks a URL that is entered."""
    return Answer() if request.method == "HEAD" else None


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the body has all
    """The event in a body; its name is `topic`, such as `conversation.user.created`, its identity `id`."""
    content = parse_object(body)
    notification_id = text_at(content, "id")
    return Event(
        name=text_at(content, "topic") or hint or UNKNOWN,
        identity=notification_id or hash_of(body),
        occurred_at_ms=unix_ms(content.get("created_at"), unit_ms=1000),
        data=content,
        kind="event",
        remember_s=None if notification_id else _REMEMBER_S,
    )


def sample(number: int, event: str) -> bytes:
    """A notification about a conversation, or about another object with an id."""
    now_s = int(time.time())
    kind = event.partition(".")[0]
    contact = {"type": "contact", "id": f"contact-{number}", "external_id": f"member-{number}"}
    item: dict[str, Any] = {"type": kind, "id": str(21_000_000_000 + number), "created_at": now_s}
    if kind == "conversation":
        author = {"type": "user", "id": contact["id"], "name": "Ada", "email": f"member{number}@example.com"}
        item |= {
            "updated_at": now_s,
            "state": "open",
            "open": True,
            "contacts": {"type": "contact.list", "contacts": [contact]},
            "source": {"type": "conversation", "subject": "", "body": f"<p>Sample {number}</p>", "author": author},
        }
    content = {
        "type": "notification_event",
        "app_id": "sample01",
        "data": {"type": "notification_event_data", "item": item},
        "links": {},
        "id": f"notif_{hash_of(f'{event}/{number}'.encode())}",
        "topic": event,
        "delivery_status": "pending",
        "delivery_attempts": 1,
        "delivered_at": 0,
        "first_sent_at": now_s,
        "created_at": now_s,
        "self": None,
    }
    return msgspec.json.encode(content)


_TYPED = TypedEvents(MODELS)

INTERCOM = Provider(
    name="intercom",
    title="Intercom",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="conversation.user.created",
    signature_headers=(_SIGNATURE,),
    handshake=handshake,
    success_status=200,
    deadline_s=5.0,
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("id", "external_id", "user_id", "conversation_id", "email", "phone"),
)
"""Intercom publishes no schedule of retries, so it has none here."""
