"""Builds the TLS context: how the certificate of the server is verified, and the certificate of the client."""

from __future__ import annotations

import ssl
from typing import Literal

from broker.redis.errors import Misconfigured

Verify = Literal["full", "ca", "none"]


def tls_context(*, ca_file: str, cert_file: str, key_file: str, verify: Verify) -> ssl.SSLContext:
    """Build the TLS context of all connections to one Redis. The arguments are those of `Settings`.

    Raises Misconfigured, which names the wrong setting.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # SSLError is one
        raise Misconfigured(f"redis.tls_ca_file: no certificates in {ca_file!r}: {_reason(error)}") from None
    context.check_hostname = verify == "full"
    context.verify_mode = ssl.CERT_NONE if verify == "none" else ssl.CERT_REQUIRED
    if cert_file:
        try:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(cert_file, key_file or None, password="")
        except OSError as error:
            raise Misconfigured(
                f"redis.tls_cert_file, redis.tls_key_file: no certificate with its key, not encrypted, in "
                f"{cert_file!r} and {key_file or cert_file!r}: {_reason(error)}"
            ) from None
    return context


def _reason(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or type(error).__name__
