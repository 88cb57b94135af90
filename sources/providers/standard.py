"""Standard Webhooks, which many services use, with the headers `webhook-*` or `svix-*`.

standardwebhooks.com, specification 1.0.0. What is signed is `{id}.{timestamp}.{body}`: with HMAC-SHA256 (v1), or
with ed25519 (v1a). The id is the same in all tries of an event; the timestamp is that of the try.

The standardwebhooks library is not used here: it compares the timestamp with its own clock, knows no v1a and no
svix-* headers, and the rest of it is a few lines.
"""

from __future__ import annotations

import binascii
import secrets as random_secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from sources.errors import SignatureError
from sources.event import UNKNOWN, Event
from sources.provider import Provider
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds, parse_object, text_at, view
from sources.shared.signature import check_hmac, check_time, hmac_text, malformed, required
from sources.shared.terms import terms_of_keys
from sources.signed_request import NO_HEADERS, Headers, SignedRequest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TOLERANCE_S = 300.0
_REMEMBER_S = 4 * 86_400.0
"""Seconds for which a body without an id is remembered: the schedule that the specification shows takes 3.2
days."""

_MAX_ID_CHARS = 256
_MAX_SIGNATURES = 32


class _Key(Struct, frozen=True):
    """A secret as it is used: one of the two is set."""

    hmac: bytes = b""
    public: Ed25519PublicKey | None = None
    private: Ed25519PrivateKey | None = None


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the timestamp and the signatures. Raises SignatureError."""
    prefix = _prefix(request.headers)
    event_id = required(request, f"{prefix}-id")
    if len(event_id) > _MAX_ID_CHARS or not (event_id.isascii() and event_id.isprintable()):
        raise malformed(f"{prefix}-id", f"at most {_MAX_ID_CHARS} printable characters")
    timestamp = required(request, f"{prefix}-timestamp")
    sent = [part.split(",", 1) for part in required(request, f"{prefix}-signature").split(" ")]
    if len(sent) > _MAX_SIGNATURES or not any(len(part) == 2 for part in sent):
        raise malformed(f"{prefix}-signature", f"1 to {_MAX_SIGNATURES} signatures like v1,BASE64")
    check_time(f"{prefix}-timestamp", timestamp, request.now_s, tolerance_s=TOLERANCE_S)
    data = _signed(event_id, timestamp, request.body)
    keys = [_key(secret) for secret in secrets]
    if any(_is_ed25519(data, part[1], keys) for part in sent if part[0] == "v1a" and len(part) == 2):
        return
    check_hmac(
        data,
        [part[1] for part in sent if part[0] == "v1" and len(part) == 2],
        [key.hmac for key in keys if key.hmac],
        encode=b64encode,
    )


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The three headers for a body; the id is in the request's headers, or derived from the body."""
    event_id = request.headers.get("webhook-id") or f"msg_{hash_of(request.body)}"
    timestamp = str(int(request.now_s))
    data, key = _signed(event_id, timestamp, request.body), _key(secret)
    if key.private is not None:
        signature = "v1a," + b64encode(key.private.sign(data)).decode()
    elif key.hmac:
        signature = "v1," + hmac_text(key.hmac, data)
    else:
        raise SignatureError("a public key cannot sign: use the private key, whsk_...")
    return {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def check_secret(secret: Secret) -> str:
    """Why a text is no secret of Standard Webhooks, "" if it is one."""
    try:
        _key(secret)
    except ValueError:
        return "not a secret of Standard Webhooks: expected whsec_ and base64, or the public key, whpk_ and base64"
    return ""


def decode(body: bytes, hint: str, headers: Headers = NO_HEADERS) -> Event:
    """The event in a body; its name is `type`, its identity the signed id."""
    content = parse_object(body)
    event_id = headers.get(f"{_prefix(headers)}-id", "")
    return Event(
        name=text_at(content, "type") or hint or UNKNOWN,
        identity=event_id or hash_of(body),
        occurred_at_ms=milliseconds(content.get("timestamp")),
        data=content,
        kind="event",
        remember_s=None if event_id else _REMEMBER_S,
    )


def sample(number: int, event: str) -> bytes:
    """A body with type, timestamp and data, as the specification recommends."""
    moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    data: dict[str, Any] = {
        "id": f"inv_{number:08d}",
        "customer": {"id": f"cus_{number:06d}", "email": f"member{number}@example.com"},
        "amount": 1999,
        "currency": "EUR",
    }
    return msgspec.json.encode({"type": event, "timestamp": moment, "data": data})


def new_secret() -> str:
    """A secret for HMAC with 256 bits."""
    return "whsec_" + b64encode(random_secrets.token_bytes(32)).decode()


def _prefix(headers: Headers) -> str:
    # Of both kinds of header only one is looked at, here and in `decode`: else an id that is not signed could be
    # added to a signed request, and identify the event.
    return "svix" if headers.get("webhook-id") is None and headers.get("svix-id") is not None else "webhook"


def _signed(event_id: str, timestamp: str, body: bytes) -> bytes:
    # A full stop in the id does not blur the parts: the timestamp is a number, and no JSON object begins with
    # digits.
    return f"{event_id}.{timestamp}.".encode() + body


@lru_cache(maxsize=64)
def _key(secret: Secret) -> _Key:
    """The key in a secret. Raises ValueError."""
    try:
        text = secret.reveal().decode("ascii")
        prefix, _, encoded = (
            text.partition("_") if text.startswith(("whsec_", "whpk_", "whsk_")) else ("", "", text)
        )
        key = b64decode(encoded, validate=True)
    except (UnicodeDecodeError, binascii.Error):
        raise ValueError("not base64") from None
    if not key:
        raise ValueError("empty")
    if prefix in ("", "whsec"):
        return _Key(hmac=key)
    # Loaded only for these keys: it takes some MB and 30 ms.
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415

    if prefix == "whpk":
        return _Key(public=ed25519.Ed25519PublicKey.from_public_bytes(key))
    private = ed25519.Ed25519PrivateKey.from_private_bytes(key[:32])
    return _Key(private=private, public=private.public_key())


def _is_ed25519(data: bytes, signature: str, keys: Sequence[_Key]) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loaded only for such signatures

    try:
        decoded = b64decode(signature, validate=True)
    except ValueError:
        return False
    if b64encode(decoded).decode() != signature:
        return False
    for key in keys:
        if key.public is not None:
            try:
                key.public.verify(decoded, data)
            except InvalidSignature:
                continue
            return True
    return False


STANDARD = Provider(
    name="standard",
    title="Standard Webhooks",
    verify=verify,
    sign=sign,
    check_secret=check_secret,
    new_secret=new_secret,
    decode=decode,
    view=view,
    sample=sample,
    sample_headers=lambda number, event: {"webhook-id": f"msg_{event}_{number}"},
    sample_event="invoice.paid",
    signature_headers=("webhook-signature", "svix-signature"),
    kept_headers=("webhook-id", "svix-id"),
    deadline_s=15.0,
    terms=terms_of_keys("id", "customer_id", "user_id", "order_id", "email"),
)
"""The specification leaves the retry schedule to each sender, so it has none here."""
