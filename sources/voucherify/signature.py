"""Voucherify's signature: lower-case hex HMAC-SHA256 of the body, without time or nonce.

Voucherify sends compact JSON and signs that. Its own sample verifier strips white space outside strings
before it hashes, so a body that a proxy re-indented still verifies. There is no timestamp: a replayed old
request verifies, and deduplication protects against it.
Source: docs.voucherify.io, "Webhooks v2024-01-01", signature verification.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import msgspec
from multidict import istr

from sources.errors import SignatureError
from sources.secret import Secret
from sources.signed_request import SignedRequest

HEADER = istr("x-voucherify-signature")  # a type that the headers of aiohttp look up faster


def sign(body: bytes, secret: Secret) -> str:
    """The signature of exactly these bytes."""
    return hmac.digest(secret.reveal(), body, "sha256").hex()


def signed_headers(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header with the signature of a request."""
    return {HEADER: sign(request.body, secret)}


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Return if any secret signed the body, as it is or without white space outside strings.

    Raises SignatureError. Every comparison takes constant time.
    """
    body, signature = request.body, request.headers.get(HEADER)
    if not signature:
        raise SignatureError(f"the header {HEADER} is missing")
    sent_signature = signature.encode("latin-1", "replace")
    if _any_signed(body, sent_signature, secrets):
        return
    compact = without_white_space(body)
    if len(compact) != len(body) and _any_signed(compact, sent_signature, secrets):
        return
    raise SignatureError("the signature does not belong to this body and any configured secret")


def without_white_space(body: bytes) -> bytes:
    """A JSON body with the white space outside strings removed; any other body as it is."""
    try:
        return msgspec.json.format(body, indent=-1)
    except (ValueError, RecursionError):
        return body


def _any_signed(body: bytes, sent_signature: bytes, secrets: Sequence[Secret]) -> bool:
    signed = False
    for secret in secrets:
        signed |= hmac.compare_digest(hmac.digest(secret.reveal(), body, "sha256").hex().encode(), sent_signature)
    return signed
