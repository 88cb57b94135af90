"""The steps of verifying a signature. Each raises SignatureError with a text that names the step.

Texts of signatures are compared as they are written, and not after decoding: a second way to write the same
signature is refused.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable

from sources.errors import SignatureError
from sources.signed_request import SignedRequest

NO_SECRET_MATCHES = "the signature does not belong to this request and any configured secret"  # noqa: S105 - a sentence

_MAX_DIGITS = 16


def required(request: SignedRequest, name: str) -> str:
    """The value of a header."""
    value = request.headers.get(name)
    if not value:
        raise SignatureError(f"the header {name} is missing")
    return value


def malformed(name: str, expected: str) -> SignatureError:
    """The error for a header that is not written as the provider writes it."""
    return SignatureError(f"the header {name} is malformed: expected {expected}")


def after_prefix(name: str, value: str, prefix: str) -> str:
    """The rest of a header's value after a prefix such as `sha256=`."""
    if not value.startswith(prefix):
        raise malformed(name, f"{prefix}...")
    return value[len(prefix) :]


def decoded_base64(name: str, value: str) -> bytes:
    """The bytes of a header's value in base64, for signatures that are no HMAC."""
    try:
        decoded = b64decode(value, validate=True)
    except ValueError:
        decoded = b""
    if not decoded or b64encode(decoded).decode() != value:
        raise malformed(name, "base64")
    return decoded


def check_time(name: str, value: str, now_s: float, *, tolerance_s: float, unit_s: float = 1.0) -> None:
    """Check that a timestamp, in units since 1970, is at most `tolerance_s` before or after the receipt."""
    if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
        raise malformed(name, "a whole number since 1970")
    late_s = now_s - int(value) * unit_s
    if abs(late_s) > tolerance_s:
        when = "old" if late_s > 0 else "in the future"
        raise SignatureError(
            f"the timestamp in {name} is {abs(late_s):.0f} s {when}, more than {tolerance_s:g} s: the request was "
            "delayed or sent again, or the clock of this host is wrong"
        )


def url_bytes(request: SignedRequest) -> bytes:
    """The URL that the provider called, for providers that sign it."""
    # A path that is not UTF-8 arrives with its bytes escaped.
    return request.url.encode("utf-8", "surrogateescape")


def in_hex(digest: bytes) -> bytes:
    """A digest as lower-case hex."""
    return digest.hex().encode()


def check_hmac(
    data: bytes,
    sent: Iterable[str],
    keys: Iterable[bytes],
    *,
    algorithm: str = "sha256",
    encode: Callable[[bytes], bytes] = in_hex,
) -> None:
    """Check that one of the sent signatures is the HMAC of the data with one of the keys, in constant time.

    encode: how the provider writes a digest, `in_hex` or `b64encode`.
    """
    if not is_hmac(data, sent, keys, algorithm=algorithm, encode=encode):
        raise SignatureError(NO_SECRET_MATCHES)


def is_hmac(
    data: bytes,
    sent: Iterable[str],
    keys: Iterable[bytes],
    *,
    algorithm: str = "sha256",
    encode: Callable[[bytes], bytes] = in_hex,
) -> bool:
    """Return whether one of the sent signatures is the HMAC of the data, as `check_hmac` does."""
    signatures = [signature.encode("latin-1", "replace") for signature in sent]
    is_signed = False
    for key in keys:
        expected = encode(hmac.digest(key, data, algorithm))
        for signature in signatures:
            is_signed |= hmac.compare_digest(expected, signature)
    return is_signed


def hmac_text(
    key: bytes, data: bytes, *, algorithm: str = "sha256", encode: Callable[[bytes], bytes] = b64encode
) -> str:
    """The HMAC of data as a provider writes it, for signing samples."""
    return encode(hmac.digest(key, data, algorithm)).decode()
