"""The headers that prove which sender a POST is from."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from standardwebhooks import Webhook

from sources.secret import Secret
from worker.channels.errors import ChannelError
from worker.channels.settings import HttpSettings

Sign = Callable[[str, bytes], Mapping[str, str]]
"""(idempotency key, body) -> headers, computed for each attempt."""

_PREFIX = "whsec_"


def signer(settings: HttpSettings) -> Sign:
    """The signing function of a channel; it signs nothing without secrets.

    Raises ChannelError for unusable secrets.
    """
    if not settings.secrets:
        if settings.signature == "hmac":
            raise ChannelError("secrets", 'signature = "hmac" needs a secret')
        return _unsigned
    if settings.signature == "standard":
        return _standard([_webhook(secret) for secret in settings.secrets])
    if len(settings.secrets) > 1:
        raise ChannelError("secrets", 'signature = "hmac" accepts one secret; only "standard" accepts several')
    return _hmac(settings.secrets[0].reveal(), settings.signature_header)


def _unsigned(_key: str, _body: bytes) -> Mapping[str, str]:
    return {}


def _standard(webhooks: list[Webhook]) -> Sign:
    def sign(key: str, body: bytes) -> Mapping[str, str]:
        now, text = datetime.now(UTC), body.decode()
        return {
            "webhook-id": key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(webhook.sign(key, now, text) for webhook in webhooks),
        }

    return sign


def _hmac(secret: bytes, header: str) -> Sign:
    def sign(_key: str, body: bytes) -> Mapping[str, str]:
        return {header: hmac.digest(secret, body, "sha256").hex()}

    return sign


def _webhook(secret: Secret) -> Webhook:
    """The signer for one secret. Raises ChannelError."""
    # The library skips characters that are not base64, and would sign with the rest.
    text = secret.reveal().decode("ascii", "replace").removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        example = 'whsec_ and base64; create one with `echo "whsec_$(openssl rand -base64 32)"`'
        raise ChannelError("secrets", f"not a secret of Standard Webhooks, which is {example}")
    return Webhook(key)
