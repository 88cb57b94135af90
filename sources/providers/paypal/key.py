"""The secret of a PayPal source: the id of the webhook, and PayPal's certificate or public key in PEM below it."""

from __future__ import annotations

import re
import secrets as random_secrets
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from sources.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

_SECRET = re.compile(rb"\s*([A-Za-z0-9]{1,64})\s+(-----BEGIN ([A-Z ]{1,40})-----.*)", re.DOTALL)
_FOREVER_S = float("inf")


class Key(Struct, frozen=True):
    """A secret as it is used."""

    webhook_id: str
    public: RSAPublicKey
    private: RSAPrivateKey | None = None
    """Only in a secret that `new_secret` made."""

    not_before_s: float = 0.0
    not_after_s: float = _FOREVER_S
    """Limits of the certificate's validity, in seconds since 1970."""


@lru_cache(maxsize=64)
def read_key(secret: Secret) -> Key:
    """The key in a secret. Raises ValueError."""
    # Loaded only where PayPal is a source: cryptography takes some MB and 30 ms.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
        load_pem_public_key,
    )
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    parts = _SECRET.fullmatch(secret.reveal())
    if parts is None:
        raise ValueError("no id with PEM below it")
    webhook_id, pem, label = parts[1].decode(), parts[2], parts[3]
    private, not_before_s, not_after_s = None, 0.0, _FOREVER_S
    public: object
    try:
        if label == b"CERTIFICATE":
            # The first of a chain is PayPal's own.
            certificate = load_pem_x509_certificate(pem)
            public = certificate.public_key()
            not_before_s = certificate.not_valid_before_utc.timestamp()
            not_after_s = certificate.not_valid_after_utc.timestamp()
        elif label == b"PRIVATE KEY":
            loaded = load_pem_private_key(pem, None)
            private = loaded if isinstance(loaded, rsa.RSAPrivateKey) else None
            public = loaded.public_key()
        else:
            public = load_pem_public_key(pem)
    except (UnsupportedAlgorithm, TypeError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(public, rsa.RSAPublicKey):
        raise ValueError("not RSA")  # noqa: TRY004 - the value is wrong
    return Key(webhook_id, public, private, not_before_s, not_after_s)


def new_secret() -> str:
    """An id with the private key of a new pair below it."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - see `read_key`
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return f"{random_secrets.token_hex(8).upper()}\n{pem}"
