"""Verifies the client address and the signature of a source's webhooks. No I/O; the clock is passed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_network
from time import time

from aiohttp import hdrs

from receiver.errors import (
    BadAddressError,
    BadKindError,
    BadSecretError,
    NoAddressesError,
    NoPublicUrlError,
    NoSecretError,
    RejectedError,
)
from receiver.ingress.request_head import Headers, RequestHead
from runtime.client_address import Address, Network, client_address, is_inside
from sources.errors import SignatureError
from sources.provider import Provider
from sources.settings import Settings
from sources.signed_request import SignedRequest
from sources.source_kinds import UnknownKindError, provider_of
from sources.url_event import UrlEvents

_CACHED_CLIENTS = 1024
_CACHED_CHARS = 256
"""Longer headers are not cached, so that a client cannot fill the memory with them."""


class SourceVerifier:
    """Makes the checks of one source."""

    def __init__(
        self,
        source: str,
        settings: Settings,
        trusted_proxies: Sequence[str] = (),
        *,
        public_url: str = "",
        now_s: Callable[[], float] = time,
    ) -> None:
        """public_url: `receiver.public_url`; now_s: the clock that timestamps in signatures are compared with.

        Raises BadKindError, NoSecretError, NoAddressesError, BadSecretError, NoPublicUrlError, BadAddressError.
        """
        self.source = source
        self.kind = _kind(source, settings)
        if not self.kind.authenticates and not settings.addresses:
            raise NoAddressesError(source)
        has_secrets = bool(settings.secrets) and all(secret.reveal() for secret in settings.secrets)
        if self.kind.authenticates and not has_secrets:
            raise NoSecretError(source)
        for number, secret in enumerate(settings.secrets):
            if reason := self.kind.check_secret(secret):
                raise BadSecretError(source, number, reason)
        if self.kind.signs_url and not public_url:
            raise NoPublicUrlError(source, self.kind.title)
        self._secrets = settings.secrets
        self._public_url = public_url.rstrip("/")
        self._now_s = now_s
        self._networks = [
            _network(f"sources.{source}.addresses", address)
            for entry in settings.addresses
            for address in self.kind.addresses.get(entry.strip(), (entry,))
        ]
        self._proxies = [_network("receiver.trusted_proxies", proxy) for proxy in trusted_proxies]
        self.url_events = UrlEvents(
            source, self.kind, settings.events, settings.secrets if settings.url_key else ()
        )
        self._cached_look_up = lru_cache(_CACHED_CLIENTS)(self._look_up)

    def check_address(self, peer: str | None, headers: Headers) -> None:
        """Raises RejectedError (403) unless the client's address may send.

        `peer`: the other end of the connection, which is the client or a proxy.
        """
        if not self._networks:
            return
        client, may_send = self._client(peer, headers)
        if client is None:
            raise RejectedError(
                403, "cannot determine the client address; check receiver.trusted_proxies", address=peer or ""
            )
        if not may_send:
            raise RejectedError(403, "this address may not send webhooks for this source", address=str(client))

    def signed_request(self, head: RequestHead, body: bytes) -> SignedRequest:
        """Return the parts of a request that a provider may sign."""
        # What proxies say about host and protocol is not used: every client could say it.
        return SignedRequest(body, head.headers, head.method, self._public_url + head.target, self._now_s())

    def check_signature(self, request: SignedRequest) -> None:
        """Raises RejectedError (401) unless one of the secrets signed exactly this request."""
        try:
            self.kind.verify(request, secrets=self._secrets)
        except SignatureError as error:
            raise RejectedError(401, str(error)) from None

    def check_event(self, body: bytes, event: str, key: str) -> None:
        """Raises RejectedError (400) if the body cannot have the event name in the URL."""
        fault = self.url_events.fault(body, event, key)
        if fault:
            raise RejectedError(400, fault)

    def _client(self, peer: str | None, headers: Headers) -> tuple[Address | None, bool]:
        if not self._proxies:
            return self._cached_look_up(peer, (), ())
        forwarded_for = tuple(headers.getall(hdrs.X_FORWARDED_FOR, ()))
        forwarded = tuple(headers.getall(hdrs.FORWARDED, ()))
        is_short = sum(map(len, (*forwarded_for, *forwarded))) <= _CACHED_CHARS
        look_up = self._cached_look_up if is_short else self._look_up
        return look_up(peer, forwarded_for, forwarded)

    def _look_up(
        self, peer: str | None, forwarded_for: tuple[str, ...], forwarded: tuple[str, ...]
    ) -> tuple[Address | None, bool]:
        client = client_address(peer, forwarded_for, forwarded, self._proxies)
        return client, client is not None and is_inside(client, self._networks)


def source_verifiers(
    sources: Mapping[str, Settings], trusted_proxies: Sequence[str] = (), *, public_url: str = ""
) -> dict[str, SourceVerifier]:
    """The verifier of each source, by name. Raises StartError."""
    return {
        name: SourceVerifier(name, settings, trusted_proxies, public_url=public_url)
        for name, settings in sources.items()
    }


def _kind(source: str, settings: Settings) -> Provider:
    try:
        return provider_of(settings)
    except UnknownKindError as error:
        raise BadKindError(source, str(error)) from None


def _network(setting: str, address: str) -> Network:
    try:
        return ip_network(address.strip())
    except ValueError as error:
        raise BadAddressError(setting, address, str(error)) from None
