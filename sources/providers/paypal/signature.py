"""Checks the signature of PayPal, and signs samples. The package's docstring describes it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from sources.errors import SignatureError
from sources.providers.paypal.key import read_key
from sources.secret import Secret
from sources.shared.json_body import hash_of, milliseconds
from sources.shared.signature import NO_SECRET_MATCHES, check_time, decoded_base64, malformed, required
from sources.signed_request import SignedRequest

SIGNATURE, _ALGORITHM = "paypal-transmission-sig", "paypal-auth-algo"
_ID, _TIME, _URL = "paypal-transmission-id", "paypal-transmission-time", "paypal-cert-url"

_RSA_SHA256 = "SHA256withRSA"
_OF_PAYPAL = re.compile(r"https://(?:[a-z0-9-]{1,63}\.){0,8}paypal\.com/[!-~]*")
_TRANSMISSION_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

TOLERANCE_S = 4 * 86_400.0
"""Longer than the 3 days for which PayPal retries: whether a retry has a new time is not documented."""


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check algorithm, certificate, time and signature. Raises SignatureError."""
    # Loaded only where PayPal is a source: cryptography takes some MB and 30 ms.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    signature = decoded_base64(SIGNATURE, required(request, SIGNATURE))
    transmission_id, time = required(request, _ID), required(request, _TIME)
    if not _TRANSMISSION_ID.fullmatch(transmission_id):
        raise malformed(_ID, "letters, digits and hyphens")
    if required(request, _ALGORITHM) != _RSA_SHA256:
        raise malformed(_ALGORITHM, _RSA_SHA256)
    if not _OF_PAYPAL.fullmatch(required(request, _URL)):
        raise malformed(_URL, "an address at paypal.com with https")
    sent_ms = milliseconds(time)
    if sent_ms is None:
        raise malformed(_TIME, "a time such as 2026-01-02T03:04:05Z")
    check_time(_TIME, str(max(sent_ms, 0)), request.now_s, tolerance_s=TOLERANCE_S, unit_s=0.001)
    keys = [key for key in map(read_key, secrets) if key.not_before_s <= request.now_s <= key.not_after_s]
    if not keys:
        raise SignatureError("each configured certificate has expired: configure the one that PayPal uses now")
    for key in keys:
        data = _signed(transmission_id, time, key.webhook_id, request.body)
        try:
            key.public.verify(signature, data, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return
    raise SignatureError(NO_SECRET_MATCHES)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The five headers. Raises SignatureError for a certificate, which is all that PayPal shows."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - see `verify`
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    key = read_key(secret)
    if key.private is None:
        raise SignatureError(
            "only PayPal has the private key of this certificate; to try it out, remove the secret, and "
            "`hookline up` makes a pair of keys"
        )
    transmission_id = str(uuid5(NAMESPACE_URL, hash_of(request.body)))
    time = datetime.fromtimestamp(int(request.now_s), UTC).isoformat().replace("+00:00", "Z")
    data = _signed(transmission_id, time, key.webhook_id, request.body)
    return {
        _ID: transmission_id,
        _TIME: time,
        _ALGORITHM: _RSA_SHA256,
        _URL: "https://api.paypal.com/v1/notifications/certs/CERT-sample",
        SIGNATURE: b64encode(key.private.sign(data, PKCS1v15(), SHA256())).decode(),
    }


def _signed(transmission_id: str, time: str, webhook_id: str, body: bytes) -> bytes:
    return f"{transmission_id}|{time}|{webhook_id}|{crc32(body)}".encode()
