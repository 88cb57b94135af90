"""SendGrid's Event Webhook: what became of e-mails that were sent.

docs.sendgrid.com, "Event Webhook" and "Signed Event Webhook Requests". One request holds a JSON array of events.
What is signed is `{timestamp}{body}` with the final CRLF of the body, by ECDSA with P-256 and SHA-256. SendGrid
states no tolerance for the timestamp, and a retry has a new one or the old one: it is signed, and its age is not
checked. Events are identified by `sg_event_id`, so a recorded request that is sent again holds duplicates only.
"""

from __future__ import annotations

import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from sources.errors import SignatureError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.providers.sendgrid.models import MODELS
from sources.secret import Secret
from sources.shared.json_body import hash_of, parse_object, split_array, text_at, unix_ms, view
from sources.shared.signature import NO_SECRET_MATCHES, decoded_base64, malformed, required
from sources.shared.terms import terms_of_keys
from sources.shared.typed_events import TypedEvents
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

_REMEMBER_S = 25 * 3600.0
"""Seconds for which an event without an id is remembered: SendGrid retries for 24 hours."""

_EVENTS = (
    *("processed", "dropped", "deferred", "delivered", "bounce"),
    *("open", "click", "spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe"),
)


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature over timestamp and body. Raises SignatureError."""
    # Loaded only where SendGrid is a source: cryptography takes some MB and 30 ms.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    signature = decoded_base64(_SIGNATURE, required(request, _SIGNATURE))
    timestamp = required(request, _TIMESTAMP)
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise malformed(_TIMESTAMP, "a whole number since 1970")
    data = timestamp.encode() + request.body
    for secret in secrets:
        try:
            _public_key(secret).verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            continue
        return
    raise SignatureError(NO_SECRET_MATCHES)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The two headers for a body. Raises SignatureError for a public key, which is all that SendGrid shows."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - see `verify`
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    private = _private_key(secret)
    if private is None:
        raise SignatureError(
            "only SendGrid has the private key of this public key; to try it out, remove the secret, and "
            "`hookline up` makes a pair of keys"
        )
    timestamp = str(int(request.now_s))
    signature = private.sign(timestamp.encode() + request.body, ECDSA(SHA256()))
    return {_SIGNATURE: b64encode(signature).decode(), _TIMESTAMP: timestamp}


def check_secret(secret: Secret) -> str:
    """Why a text is no key of P-256, "" if it is one."""
    try:
        _public_key(secret)
    except ValueError:
        return "not a verification key of SendGrid: expected the base64 text that its settings show"
    return ""


def new_secret() -> str:
    """The private key of a new pair, in base64."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - see `verify`
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private = ec.generate_private_key(ec.SECP256R1())
    return b64encode(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:  # noqa: ARG001 - the item has all
    """The event in an item of the array."""
    content = parse_object(body)
    event_id = text_at(content, "sg_event_id")
    return Event(
        name=text_at(content, "event") or hint or UNKNOWN,
        identity=event_id or hash_of(body),
        occurred_at_ms=unix_ms(content.get("timestamp"), unit_ms=1000),
        data=content,
        kind="event",
        remember_s=None if event_id else _REMEMBER_S,
    )


def sample(number: int, event: str) -> bytes:
    """An array of three events: the same message is processed, delivered, and then the event that was asked
    for."""
    seed = hashlib.blake2b(str(number).encode(), digest_size=12).hexdigest()
    now_s = int(time.time())
    items = [
        {
            "email": f"member{number}@example.com",
            "timestamp": now_s - 2 + place,
            "smtp-id": f"<{seed}@ismtpd0001.example.com>",
            "event": name,
            "sg_event_id": f"{seed}-{place}",
            "sg_message_id": f"{seed}.recvd-sample-1",
            "category": ["sample"],
            **({"url": "https://example.com/offer"} if name == "click" else {}),
        }
        for place, name in enumerate(("processed", "delivered", event))
    ]
    return msgspec.json.encode(items) + b"\r\n"


@lru_cache(maxsize=64)
def _private_key(secret: Secret) -> EllipticCurvePrivateKey | None:
    """The private key in a secret, None for a public one. Raises ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see `verify`
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

    try:
        key = load_der_private_key(_der(secret), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("no key of an elliptic curve")  # noqa: TRY004 - the value is wrong
    return key


@lru_cache(maxsize=64)
def _public_key(secret: Secret) -> EllipticCurvePublicKey:
    """The public key in a secret, or that of its private key. Raises ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see `verify`
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    private = _private_key(secret)
    try:
        key = private.public_key() if private is not None else load_der_public_key(_der(secret))
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not P-256")  # noqa: TRY004 - the value is wrong
    return key


def _der(secret: Secret) -> bytes:
    """The bytes of a key in base64, or in PEM. Raises ValueError."""
    lines = secret.reveal().split()
    if secret.reveal().startswith(b"-----BEGIN"):
        lines = [line for line in secret.reveal().splitlines() if not line.startswith(b"-----")]
    return b64decode(b"".join(lines), validate=True)


_TYPED = TypedEvents(MODELS)

SENDGRID = Provider(
    name="sendgrid",
    title="SendGrid",
    verify=verify,
    sign=sign,
    check_secret=check_secret,
    new_secret=new_secret,
    split=split_array,
    decode=decode,
    view=view,
    sample=sample,
    sample_event="bounce",
    signature_headers=(_SIGNATURE,),
    event_names=frozenset(_EVENTS),
    model=_TYPED.model,
    compare=_TYPED.compare,
    terms=terms_of_keys("sg_event_id", "email", "sg_message_id", "smtp-id"),
)
"""SendGrid retries for 24 hours by a schedule that it does not publish."""
