"""Checks the signature of Twilio, and signs samples. The package's docstring describes it."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Sequence

from sources.errors import DecodeError, SignatureError
from sources.secret import Secret
from sources.shared.form_body import Form, is_json, parse_form
from sources.shared.signature import NO_SECRET_MATCHES, hmac_text, is_hmac, required, url_bytes
from sources.signed_request import SignedRequest

SIGNATURE = "x-twilio-signature"
_URL = re.compile(rb"(https?)://([^/?#]+?)(:[0-9]+)?([/?#].*)?", re.DOTALL)
_BODY_HASH = re.compile(rb"[?&]bodySHA256=([0-9a-f]{64})(?:[&#]|$)")
_PORTS = {b"http": b":80", b"https": b":443"}


def verify(request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
    """Check the signature over URL and form, or over the URL with the hash of the body. Raises SignatureError."""
    signature, url = required(request, SIGNATURE), url_bytes(request)
    body_hash = _BODY_HASH.search(url)
    if body_hash is None and is_json(request.body):
        raise SignatureError("the URL has no bodySHA256, which Twilio adds to it for JSON")
    if body_hash and not hmac.compare_digest(_sha256(request.body), body_hash[1]):
        raise SignatureError("bodySHA256 in the URL is not the hash of the body")
    form = b"" if body_hash else _signed_form(request.body)
    keys = [secret.reveal() for secret in secrets]
    variants = [
        is_hmac(variant + form, [signature], keys, algorithm="sha1", encode=b64encode)
        for variant in _with_and_without_port(url)
    ]
    if not any(variants):
        raise SignatureError(NO_SECRET_MATCHES)


def sign(request: SignedRequest, secret: Secret) -> dict[str, str]:
    """The header for a form. JSON can be signed only if bodySHA256 is in the URL already."""
    form = b"" if is_json(request.body) or not request.body else _signed_form(request.body)
    return {SIGNATURE: hmac_text(secret.reveal(), url_bytes(request) + form, algorithm="sha1")}


def _signed_form(body: bytes) -> bytes:
    try:
        return joined(parse_form(body))
    except DecodeError as error:
        raise SignatureError(f"the body cannot be what was signed: {error}") from None


def joined(form: Form) -> bytes:
    """The sorted names and values of a form. Equal values of one name count once."""
    values = {name: [value] if isinstance(value, str) else sorted(set(value)) for name, value in form.items()}
    return "".join(name + value for name in sorted(values) for value in values[name]).encode()


def _with_and_without_port(url: bytes) -> tuple[bytes, ...]:
    parts = _URL.fullmatch(url)
    if parts is None:
        return (url,)
    scheme, host, port, rest = parts[1], parts[2], parts[3] or _PORTS[parts[1]], parts[4] or b""
    return scheme + b"://" + host + rest, scheme + b"://" + host + port + rest


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
