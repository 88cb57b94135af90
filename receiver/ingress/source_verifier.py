"""Who may send under a source's name: client address and signature. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_network

from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy, istr

from receiver.errors import BadAddressError, NoSecretError, RefusedError, UnknownKindError
from runtime.client_address import Address, Network, client_address, is_inside
from sources import KINDS
from sources.errors import SignatureError
from sources.provider import Provider
from sources.settings import Settings
from sources.url_event import UrlEvents

Headers = CIMultiDict[str] | CIMultiDictProxy[str]

_REMEMBERED_CLIENTS = 1024
_REMEMBERED_CHARS = 256
"""Longer headers are read anew each time, so that nobody can fill the memory with them."""


class SourceVerifier:
    """The checks of one source."""

    def __init__(self, source: str, settings: Settings, trusted_proxies: Sequence[str] = ()) -> None:
        """Raises UnknownKindError, NoSecretError, BadAddressError."""
        self.source = source
        self.kind = _kind(source, settings.kind)
        if not settings.secrets or not all(secret.reveal() for secret in settings.secrets):
            raise NoSecretError(source)
        self._secrets = settings.secrets
        self._networks = [
            _network(f"sources.{source}.addresses", address)
            for given in settings.addresses
            for address in self.kind.addresses.get(given.strip(), (given,))
        ]
        self._proxies = [_network("receiver.trusted_proxies", proxy) for proxy in trusted_proxies]
        self.url_events = UrlEvents(
            source, self.kind, settings.events, settings.secrets if settings.url_key else ()
        )
        self._remembered = lru_cache(_REMEMBERED_CLIENTS)(self._look_up)
        self.signature_header = istr(self.kind.signature_header)

    def check_address(self, peer: str | None, headers: Headers) -> None:
        """Raises RefusedError (403) unless the client's address is one that may send.

        `peer`: the other end of the connection, which is the client itself or a proxy before us.
        """
        if not self._networks:
            return
        client, may_send = self._client(peer, headers)
        if client is None:
            raise RefusedError(403, "it cannot be told which address this comes from", address=peer or "")
        if not may_send:
            raise RefusedError(403, "this address may not send webhooks for this source", address=str(client))

    def check_signature(self, body: bytes, signature: str | None) -> None:
        """Raises RefusedError (401) unless one of the secrets signed exactly this body."""
        try:
            self.kind.verify(body, signature, secrets=self._secrets)
        except SignatureError as error:
            raise RefusedError(401, str(error)) from None

    def check_event(self, body: bytes, event: str, key: str) -> None:
        """Raises RefusedError (400) where the event name in the URL is not one that the body may have."""
        fault = self.url_events.fault(body, event, key)
        if fault:
            raise RefusedError(400, fault)

    def _client(self, peer: str | None, headers: Headers) -> tuple[Address | None, bool]:
        if not self._proxies:
            return self._remembered(peer, (), ())
        forwarded_for = tuple(headers.getall(hdrs.X_FORWARDED_FOR, ()))
        forwarded = tuple(headers.getall(hdrs.FORWARDED, ()))
        is_short = sum(map(len, (*forwarded_for, *forwarded))) <= _REMEMBERED_CHARS
        look_up = self._remembered if is_short else self._look_up
        return look_up(peer, forwarded_for, forwarded)

    def _look_up(
        self, peer: str | None, forwarded_for: tuple[str, ...], forwarded: tuple[str, ...]
    ) -> tuple[Address | None, bool]:
        client = client_address(peer, forwarded_for, forwarded, self._proxies)
        return client, client is not None and is_inside(client, self._networks)


def source_verifiers(
    sources: Mapping[str, Settings], trusted_proxies: Sequence[str] = ()
) -> dict[str, SourceVerifier]:
    """One gate a source, by name. Raises StartError."""
    return {name: SourceVerifier(name, settings, trusted_proxies) for name, settings in sources.items()}


def _kind(source: str, kind: str) -> Provider:
    found = KINDS.get(kind)
    if found is None:
        raise UnknownKindError(source, kind, sorted(KINDS))
    return found


def _network(setting: str, address: str) -> Network:
    try:
        return ip_network(address.strip())
    except ValueError as error:
        raise BadAddressError(setting, address, str(error)) from None
