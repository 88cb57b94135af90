"""The providers of `kind = "token"` and `kind = "none"`, made of their tables in the config.

Nothing of such a request is signed. A token shows only that the sender knows it, and with `none` only the
address shows who sent it. So an id in a header counts only together with the body's hash.
"""

from __future__ import annotations

import hmac
import secrets as random_secrets
from base64 import b64encode
from collections.abc import Sequence

from msgspec import Struct, structs

from sources.configured.events import events_of
from sources.configured.hmac_kind import COMMON_TERMS, MAX_HEADER_CHARS
from sources.configured.places import header_name
from sources.configured.settings import EventSettings, TokenSettings
from sources.errors import SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.shared.json_body import view
from sources.shared.signature import after_prefix, malformed, required
from sources.shared.terms import terms_of_keys
from sources.signed_request import SignedRequest


def none_provider(title: str, settings: EventSettings) -> Provider:
    """The provider of a source that only its addresses protect. Raises ValueError."""
    events = events_of(settings)
    return Provider(
        name="none",
        title=title,
        verify=lambda _request, *, secrets: None,  # noqa: ARG005 - the interface names it
        sign=lambda _request, _secret: {},
        decode=events.decode,
        url_event=events.url_event,
        view=view,
        sample=events.sample,
        sample_headers=events.sample_headers,
        sample_event="sample.created",
        signature_headers=(),
        kept_headers=events.headers(),
        split=events.split if events.array_at is not None else None,
        success_status=settings.success_status,
        deadline_s=settings.deadline_s,
        authenticates=False,
        terms=terms_of_keys(*COMMON_TERMS),
    )


class _Scheme(Struct, frozen=True):
    """The settings as they are used."""

    header: str
    prefix: str
    basic: bool

    def verify(self, request: SignedRequest, *, secrets: Sequence[Secret]) -> None:
        """Check the token in constant time. Raises SignatureError."""
        value = required(request, self.header)
        if len(value) > MAX_HEADER_CHARS:
            raise malformed(self.header, f"at most {MAX_HEADER_CHARS} characters")
        sent = self._token(value).encode("utf-8", "surrogatepass")
        is_known = False
        for secret in secrets:
            is_known |= hmac.compare_digest(self._written(secret), sent)
        if not is_known:
            raise SignatureError(f"the token in {self.header} is not one of the configured secrets")

    def sign(self, _request: SignedRequest, secret: Secret) -> dict[str, str]:
        """The header with the token of a sample."""
        prefix = "Basic " if self.basic else self.prefix
        return {self.header: prefix + self._written(secret).decode("utf-8", "surrogateescape")}

    def check_secret(self, secret: Secret) -> str:
        """Why no header could hold a secret, "" if one could."""
        text = secret.reveal()
        if not text.isascii() or not text.decode("ascii").isprintable():
            return "a token has printable ASCII characters only, or no header could hold it"
        if self.basic and not text.partition(b":")[2]:
            return "basic authentication needs user:password"
        return ""

    def new_secret(self) -> str:
        """A token of 256 bits."""
        return ("hookline:" if self.basic else "") + random_secrets.token_urlsafe(32)

    def _token(self, value: str) -> str:
        if not self.basic:
            return after_prefix(self.header, value, self.prefix)
        scheme, _, token = value.partition(" ")
        if scheme.lower() != "basic":
            raise malformed(self.header, "Basic ...")
        return token

    def _written(self, secret: Secret) -> bytes:
        return b64encode(secret.reveal()) if self.basic else secret.reveal()


def token_provider(title: str, settings: TokenSettings) -> Provider:
    """The provider of a source whose requests hold the secret itself. Raises ValueError."""
    scheme = _Scheme(header_name(settings.header), settings.prefix, settings.basic)
    return structs.replace(
        none_provider(title, settings),
        name="token",
        verify=scheme.verify,
        sign=scheme.sign,
        check_secret=scheme.check_secret,
        new_secret=scheme.new_secret,
        signature_headers=(scheme.header,),
        authenticates=True,
    )


def token_faults(settings: TokenSettings) -> list[tuple[str, str]]:
    """The (setting, reason) of settings that contradict each other. Each is valid by itself."""
    if settings.basic and settings.prefix:
        return [("prefix", "basic authentication has a prefix of its own: remove this one")]
    if settings.basic and settings.header.lower() != "authorization":
        return [("header", "basic authentication is in the header authorization: remove this one")]
    return []
