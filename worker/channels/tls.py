"""The TLS of a channel that has certificates of its own."""

from __future__ import annotations

import ssl

from worker.channels.errors import ChannelError


def client_tls(*, ca_file: str = "", cert_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """Verifies servers by `ca_file`, empty for what this system trusts; shows them `cert_file` where that is set.

    `key_file`: the certificate's key, empty where it is in the same file. Raises ChannelError.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # SSLError is one
        raise ChannelError("ca_file", f"no certificates in {ca_file!r}: {error.strerror or error}") from None
    if key_file and not cert_file:
        raise ChannelError("key_file", "a key alone proves nothing: set cert_file too")
    if cert_file:
        _show(context, cert_file, key_file)
    return context


def _show(context: ssl.SSLContext, cert_file: str, key_file: str) -> None:
    try:
        context.load_cert_chain(cert_file, key_file or None, password=lambda: "")  # never ask at the terminal
    except OSError as error:
        where = f"{cert_file!r} and {key_file!r}" if key_file else f"{cert_file!r}"
        raise ChannelError(
            "cert_file",
            f"no certificate with its key, without a passphrase, in {where}: {error.strerror or error}",
        ) from None
