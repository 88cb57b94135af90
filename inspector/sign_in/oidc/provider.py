"""The provider: its discovery document, its keys, and the exchange of a code for an ID token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from msgspec import Struct
from yarl import URL

from inspector.login_settings import OidcLogin
from inspector.sign_in.oidc.errors import CodeRejectedError, ProviderUnavailableError
from inspector.sign_in.oidc.http import ask

KEPT_S = 3600.0
"""Seconds for which the discovery document and the keys are used."""

REFRESH_S = 30.0
"""Fewest seconds between two requests for the keys because of an unknown key, which any client could ask for."""

FAILED_S = 3.0
"""Seconds after a failed request for which the provider is not asked again."""

MOST_KEYS = 100

T = TypeVar("T")


class Metadata(Struct, frozen=True):
    """The part of the discovery document that a login needs."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None


class _Keys(Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Tokens(Struct, frozen=True):
    id_token: str


class _Refusal(Struct, frozen=True):
    error: str = ""


class Provider:
    """Asks the provider, and remembers what it answers. All functions raise OidcError."""

    def __init__(self, settings: OidcLogin, *, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = asyncio.Lock()
        self._metadata: Metadata | None = None
        self._metadata_s = float("-inf")
        self._keys: list[Key] = []
        self._keys_s = float("-inf")
        self._failure = ""
        self._failed_s = float("-inf")

    @property
    def known_metadata(self) -> Metadata | None:
        """The newest discovery document, without asking for it."""
        return self._metadata

    async def metadata(self) -> Metadata:
        """Return the discovery document, from memory or from the provider."""
        async with self._lock:
            if self._metadata is None or self._clock() - self._metadata_s > KEPT_S:
                self._metadata = await self._careful(self._fetch_metadata)
                self._metadata_s = self._clock()
            return self._metadata

    async def keys(self, *, after_unknown: bool = False) -> list[Key]:
        """The keys that sign ID tokens. `after_unknown`: ask for new ones, unless that was done a moment ago."""
        metadata = await self.metadata()
        async with self._lock:
            age_s = self._clock() - self._keys_s
            if age_s > (REFRESH_S if after_unknown else KEPT_S):
                self._keys = await self._careful(lambda: self._fetch_keys(metadata))
                self._keys_s = self._clock()
            return self._keys

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> str:
        """Exchange a code for an ID token, which is not verified yet."""
        metadata, settings = await self.metadata(), self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        methods = metadata.token_endpoint_auth_methods_supported or ("client_secret_basic",)
        if settings.client_secret is None:
            form["client_id"] = settings.client_id
        elif "client_secret_basic" in methods:
            # RFC 6749, 2.3.1: both are encoded as in a form before they are joined.
            secret = quote(settings.client_secret.reveal(), safe="")
            headers["Authorization"] = aiohttp.encode_basic_auth(quote(settings.client_id, safe=""), secret)
        else:
            form |= {"client_id": settings.client_id, "client_secret": settings.client_secret.reveal().decode()}
        status, body = await ask(metadata.token_endpoint, form=form, headers=headers)
        if status == 200:
            return _decoded(body, _Tokens, "the token endpoint").id_token
        raise _rejection(status, body)

    async def _careful(self, fetch: Callable[[], Any]) -> Any:
        """Fetch, or fail at once if the provider failed a moment ago, so that a failure does not make a queue."""
        if self._failure and self._clock() - self._failed_s < FAILED_S:
            raise ProviderUnavailableError(self._failure)
        try:
            value = await fetch()
        except ProviderUnavailableError as error:
            self._failure, self._failed_s = str(error), self._clock()
            raise
        self._failure = ""
        return value

    async def _fetch_metadata(self) -> Metadata:
        issuer = self._settings.issuer
        body = await _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        metadata = _decoded(body, Metadata, "the discovery document")
        if metadata.issuer != issuer:
            raise ProviderUnavailableError(
                f"the discovery document is of {metadata.issuer[:200]!r}: set inspector.oidc.issuer to this text"
            )
        for url in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri):
            if not is_safe_url(url, issuer):
                raise ProviderUnavailableError("the discovery document has an address that is not https")
        return metadata

    async def _fetch_keys(self, metadata: Metadata) -> list[Key]:
        found = _decoded(await _get(metadata.jwks_uri), _Keys, "the key set").keys
        return [key for item in found[:MOST_KEYS] if (key := _key(item)) is not None]


def is_safe_url(url: str, issuer: str) -> bool:
    """Return whether a URL is https, or http as the issuer is, which then is on this machine."""
    try:
        parsed = URL(url)
    except ValueError:
        return False
    return bool(parsed.host) and parsed.scheme in ("https", URL(issuer).scheme)


async def _get(url: str) -> bytes:
    status, body = await ask(url)
    if status != 200:
        raise ProviderUnavailableError(f"{URL(url).host} answered {status} instead of 200 at {url}")
    return body


def _decoded(body: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (ValueError, RecursionError):
        raise ProviderUnavailableError(f"{what} is not the JSON that OpenID Connect asks for") from None


def _key(item: Mapping[str, Any]) -> Key | None:
    """A public key that can verify signatures; None for all others, which do not spoil the rest of the set."""
    if item.get("kty") not in ("RSA", "EC") or item.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(dict(item))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _rejection(status: int, body: bytes) -> CodeRejectedError | ProviderUnavailableError:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (ValueError, RecursionError):
        error = ""
    if status == 401 or error in ("invalid_client", "unauthorized_client"):
        return ProviderUnavailableError(
            "the provider refuses this client: check inspector.oidc.client_id and client_secret"
        )
    if status == 400 and error == "invalid_grant":
        return CodeRejectedError("the provider rejects the code (invalid_grant)")
    return ProviderUnavailableError(f"the token endpoint answered {status} ({error[:40]!r})")
