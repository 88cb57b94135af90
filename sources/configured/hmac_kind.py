"""The provider of `kind = "hmac"`, made of its table in the config.

The signature is compared in constant time, as it is written: a second way to write it is refused. The template
must hold the body, so no changed body fits a signature.
"""

from __future__ import annotations

import binascii
import secrets as random_secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

from msgspec import Struct

from sources.configured.events import events_of
from sources.configured.places import Place, header_name, place_of_time
from sources.configured.settings import HmacSettings
from sources.configured.signed_text import Piece, parse_signed, signed_bytes, signed_headers
from sources.errors import SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.shared.json_body import view
from sources.shared.signature import check_hmac, check_time, hmac_text, in_hex, malformed, required
from sources.shared.terms import terms_of_keys
from sources.signed_request import SignedRequest

MAX_PARTS = 32
"""Limit on the parts of the signature's header."""

MAX_HEADER_CHARS = 4096
"""Limit on the signature's header."""

_CHARACTERS = {
    "hex": frozenset("0123456789abcdefABCDEF"),
    "base64": frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="),
}
"""Encoding -> the characters that a signature can consist of."""

COMMON_TERMS = ("id", "event_id", "order_id", "customer_id", "user_id", "email")


class _Scheme(Struct, frozen=True):
    """The settings as they are used."""

    settings: HmacSettings
    header: str
    pieces: tuple[Piece, ...]
    time_at: Place

    def verify(self, request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
        """Check the time and the signature. Raises SignatureError."""
        parts = self._parts(required(request, self.header))
        sent = [part[len(self.settings.prefix) :] for part in parts if part.startswith(self.settings.prefix)]
        if not any(sent):
            raise malformed(self.header, f"{self.settings.prefix}...")
        data = signed_bytes(self.pieces, request, self._time(request, parts))
        check_hmac(
            data,
            sent,
            (_key(secret, self.settings.key) for secret in secrets),
            algorithm=self.settings.algorithm,
            encode=in_hex if self.settings.encoding == "hex" else b64encode,
        )

    def sign(self, request: SignedRequest, secret: Secret) -> dict[str, str]:
        """The headers with the signature, its time, and the other signed headers. Raises SignatureError."""
        settings = self.settings
        time = str(int(request.now_s * (1000 if settings.timestamp_unit == "ms" else 1)))
        headers = {
            name: time if name == self.time_at.header else request.headers.get(name) or "sample"
            for name in (*signed_headers(self.pieces), *filter(None, [self.time_at.header]))
        }
        data = signed_bytes(self.pieces, SignedRequest(request.body, headers, request.method, request.url), time)
        signature = settings.prefix + hmac_text(
            _key(secret, settings.key),
            data,
            algorithm=settings.algorithm,
            encode=in_hex if settings.encoding == "hex" else b64encode,
        )
        parts = [f"{self.time_at.part}={time}"] if self.time_at.part else []
        return {**headers, self.header: settings.separator.join([*parts, signature])}

    def _parts(self, value: str) -> list[str]:
        if len(value) > MAX_HEADER_CHARS:
            raise malformed(self.header, f"at most {MAX_HEADER_CHARS} characters")
        if not self.settings.separator:
            return [value]
        parts = [part.strip(" ") for part in value.split(self.settings.separator, MAX_PARTS)]
        if len(parts) > MAX_PARTS:
            raise malformed(self.header, f"at most {MAX_PARTS} parts")
        return parts

    def _time(self, request: SignedRequest, parts: Sequence[str]) -> str:
        """The time of the signature, checked; "" if the provider sends none."""
        if self.time_at.part:
            name = f"{self.time_at.part}="
            values = [part[len(name) :] for part in parts if part.startswith(name)]
            if len(values) != 1:
                raise malformed(self.header, f"one part {name}...")
            value, where = values[0], self.header
        elif self.time_at.header:
            value, where = required(request, self.time_at.header), self.time_at.header
        else:
            return ""
        unit_s = 0.001 if self.settings.timestamp_unit == "ms" else 1.0
        check_time(where, value, request.now_s, tolerance_s=self.settings.tolerance_s, unit_s=unit_s)
        return value

    def check_secret(self, secret: Secret) -> str:
        """Why a secret is not written as the config says, "" if it is."""
        try:
            key = _key(secret, self.settings.key)
        except SignatureError as error:
            return str(error)
        return "" if key else "the secret is empty"

    def new_secret(self) -> str:
        """A secret of 256 bits, written as the config says."""
        key = random_secrets.token_bytes(32)
        return b64encode(key).decode() if self.settings.key == "base64" else key.hex()


def hmac_provider(title: str, settings: HmacSettings) -> Provider:
    """Make the provider. Raises ValueError for settings that cannot be used; see `checks`."""
    scheme = _Scheme(
        settings, header_name(settings.header), parse_signed(settings.signed), place_of_time(settings.timestamp)
    )
    for _place, reason in hmac_faults(settings):
        raise ValueError(reason)
    events = events_of(settings, signed_headers(scheme.pieces))

    def sample_headers(number: int, event: str) -> Mapping[str, str]:
        others = dict.fromkeys(signed_headers(scheme.pieces), f"sample-{number}")
        return {**others, **events.sample_headers(number, event)}

    return Provider(
        name="hmac",
        title=title,
        verify=scheme.verify,
        sign=scheme.sign,
        check_secret=scheme.check_secret,
        new_secret=scheme.new_secret,
        decode=events.decode,
        url_event=events.url_event,
        view=view,
        sample=events.sample,
        sample_headers=sample_headers,
        sample_event="sample.created",
        signature_headers=(scheme.header,),
        kept_headers=events.headers(),
        split=events.split if events.array_at is not None else None,
        success_status=settings.success_status,
        deadline_s=settings.deadline_s,
        signs_url=any(piece.name == "url" for piece in scheme.pieces),
        terms=terms_of_keys(*COMMON_TERMS),
    )


def hmac_faults(settings: HmacSettings) -> list[tuple[str, str]]:
    """The (setting, reason) of settings that contradict each other. Each is valid by itself."""
    faults = []
    header, time_at = settings.header.lower(), place_of_time(settings.timestamp)
    pieces = parse_signed(settings.signed)
    has_time = any(piece.name == "timestamp" for piece in pieces)
    if has_time and not settings.timestamp:
        faults.append(("signed", "{timestamp} is nowhere: set timestamp to header:NAME or part:NAME"))
    if settings.timestamp and not has_time and time_at.header not in signed_headers(pieces):
        faults.append(
            ("timestamp", "it is not signed, so anybody could change it: add {timestamp} to signed, or remove it")
        )
    if time_at.part and not settings.separator:
        faults.append(("timestamp", 'a part needs the text between the parts: set separator, like ","'))
    if settings.separator and settings.separator in settings.prefix:
        faults.append(("prefix", "it holds the separator, so no part could begin with it"))
    if settings.separator and set(settings.separator) <= _CHARACTERS[settings.encoding]:
        faults.append(("separator", f"a signature in {settings.encoding} can contain it, and would be cut there"))
    if time_at.part and settings.prefix in ("", f"{time_at.part}="):
        faults.append(("prefix", "it does not distinguish the signature from the time: set it, like v1="))
    if time_at.header == header:
        faults.append(("timestamp", "this is the header of the signature: write part:NAME for a part of it"))
    if header in signed_headers(pieces):
        faults.append(("signed", "the header of the signature cannot be signed itself"))
    return faults


def _key(secret: Secret, form: str) -> bytes:
    """The key in a secret. Raises SignatureError, whose text does not show it."""
    written = secret.reveal()
    try:
        if form == "base64":
            return b64decode(written, validate=True)
        return bytes.fromhex(written.decode("ascii")) if form == "hex" else written
    except (ValueError, binascii.Error):
        raise SignatureError(f"the secret is not {form}: copy it again, or change `key`") from None
