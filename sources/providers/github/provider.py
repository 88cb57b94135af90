"""GitHub: webhooks of repositories, organizations and apps.

docs.github.com, "Validating webhook deliveries" and "Best practices for using webhooks". The signature is
HMAC-SHA256 of the body, without a time. The name of the event is in X-GitHub-Event, and no body has an id of its
own.

Only the body is signed. Two different events may have equal bodies, so the body alone cannot identify the event:
the second one would be lost. The identity is X-GitHub-Delivery, which a redelivery keeps, together with a hash of
the body. X-GitHub-Delivery is not signed: with a forged one, a recorded genuine request looks like a new event,
and with a forged X-GitHub-Event it looks like an event of another name. It can never make the event of another
body look like a duplicate, since the hash differs.
"""

from __future__ import annotations

from collections.abc import Sequence

from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.github.models import MODELS
from sources.providers.github.samples import DELIVERY, EVENT, sample, sample_headers
from sources.secret import Secret
from sources.shared.json_body import hash_of, parse_object, text_at, view
from sources.shared.signature import after_prefix, check_hmac, hmac_text, in_hex, required
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

_SIGNATURE = "x-hub-signature-256"
_PREFIX = "sha256="

_REDELIVERABLE_S = 3 * 86_400.0
"""Seconds for which people can ask GitHub to deliver a webhook again."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature of the body. Raises SignatureError."""
    signature = after_prefix(_SIGNATURE, required(request, _SIGNATURE), _PREFIX)
    check_hmac(request.body, [signature], (secret.reveal() for secret in secrets))


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the signature of a body."""
    return {_SIGNATURE: _PREFIX + hmac_text(secret.reveal(), request.body, encode=in_hex)}


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
    """The event in a body; its name is `release.published`, or `push` for a body without action."""
    if body.startswith(b"payload="):
        raise DecodeError(
            "a form, not JSON: set Content type to application/json in the webhook's settings at GitHub"
        )
    content = parse_object(body)
    name = headers.get(EVENT) or hint or UNKNOWN
    action = text_at(content, "action")
    delivery = headers.get(DELIVERY)
    return Event(
        name=f"{name}.{action}" if action and headers.get(EVENT) else name,
        identity="\x1f".join(filter(None, (delivery, hash_of(body)))),
        occurred_at_ms=None,
        data=content,
        kind="event",
        remember_s=None if delivery else _REDELIVERABLE_S,
    )


_TYPED = TypedEvents(MODELS)

GITHUB = Provider(
    name="github",
    title="GitHub",
    verify=verify,
    sign=sign,
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=sample_headers,
    sample_event="release.published",
    signature_headers=(_SIGNATURE, "x-hub-signature"),
    kept_headers=(EVENT, DELIVERY),
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("full_name", "tag_name", "login", "after", "number"),
)
"""GitHub never sends a failed webhook again by itself, so it has no retry schedule."""
