"""Who may send under a source's name: client address and signature. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from multidict import istr

from receiver.errors import BadAddressError, NoSecretError, RefusedError, UnknownKindError
from sources import KINDS
from sources.errors import SignatureError
from sources.kind import SourceKind
from sources.settings import Settings

_REMEMBERED_ADDRESSES = 4096


class Gate:
    """The checks of one source."""

    def __init__(self, source: str, settings: Settings) -> None:
        """Raises UnknownKindError, NoSecretError, BadAddressError."""
        self.source = source
        self._kind = _kind(source, settings.kind)
        if not settings.secrets or not all(secret.reveal() for secret in settings.secrets):
            raise NoSecretError(source)
        self._secrets = settings.secrets
        self._networks = [_network(source, address) for address in settings.addresses]
        self._is_inside = lru_cache(_REMEMBERED_ADDRESSES)(self._look_up)
        self.signature_header = istr(self._kind.signature_header)

    def check_address(self, address: str | None) -> None:
        """Raises RefusedError (403) unless the client's address is one that may send."""
        if self._networks and not self._is_inside(address):
            raise RefusedError(403, "this address may not send webhooks for this source")

    def check_signature(self, body: bytes, signature: str | None) -> None:
        """Raises RefusedError (401) unless one of the secrets signed exactly this body."""
        try:
            self._kind.verify(body, signature, secrets=self._secrets)
        except SignatureError as error:
            raise RefusedError(401, str(error)) from None

    def _look_up(self, address: str | None) -> bool:
        try:
            parsed = ip_address(address or "")
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


def gates(sources: Mapping[str, Settings]) -> dict[str, Gate]:
    """One gate a source, by name. Raises StartError."""
    return {name: Gate(name, settings) for name, settings in sources.items()}


def _kind(source: str, kind: str) -> SourceKind:
    found = KINDS.get(kind)
    if found is None:
        raise UnknownKindError(source, kind, sorted(KINDS))
    return found


def _network(source: str, address: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(address.strip())
    except ValueError as error:
        raise BadAddressError(source, address, str(error)) from None
