"""TLS for channels with their own certificates."""

from __future__ import annotations

import ssl

from worker.channels.errors import ChannelError


def client_tls(*, ca_file: str = "", cert_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """A TLS context. Raises ChannelError.

    ca_file: certificates to trust, empty for those of the system; cert_file: client certificate, empty for none;
    key_file: its key, empty if it is in the same file.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # SSLError is one
        raise ChannelError("ca_file", f"no certificates in {ca_file!r}: {error.strerror or error}") from None
    if key_file and not cert_file:
        raise ChannelError("key_file", "a key needs its certificate: set cert_file too")
    if cert_file:
        _load_client_certificate(context, cert_file, key_file)
    return context


def _load_client_certificate(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    try:
        context.load_cert_chain(cert_file, key_file or None, password=lambda: "")  # never ask on the terminal
    except OSError as error:
        where = f"{cert_file!r} and {key_file!r}" if key_file else f"{cert_file!r}"
        raise ChannelError(
            "cert_file",
            f"no certificate with its key, without a passphrase, in {where}: {error.strerror or error}",
        ) from None
