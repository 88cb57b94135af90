"""Under which name, and from which page, a request came. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HTTPS = re.compile(r"(?:^|[;,\s])proto=\"?https\b", re.IGNORECASE)
_WILD = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not listened on


def known_names(host: str, hosts: Sequence[str]) -> frozenset[str]:
    """The names that the inspector answers to: local ones, the address it listens on, and those of the config."""
    own = {f"[{host}]" if ":" in host else host} if host not in _WILD else set()
    return frozenset(name.lower() for name in (*_LOCAL, *own, *(_bracketed(name) for name in hosts)))


def is_known(host_headers: Sequence[str], names: Collection[str]) -> bool:
    """Whether there is one Host header, and it names the inspector, with or without a port.

    A page of somebody else may have its own name lead to this address (DNS rebinding); its Host gives it away.
    """
    if len(host_headers) != 1:
        return False
    found = _HOST.fullmatch(host_headers[0])
    return found is not None and found[1].lower() in names


def is_own_page(headers: Mapping[str, str], *, origin_needed: bool) -> bool:
    """Whether a browser says that one of our own pages sent this.

    Origin must be the very Host. Every browser sends it with a form; where it is not needed, programs may leave it
    out, which browsers cannot.
    """
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "same-origin")
    if site != "same-origin":
        return False
    if origin is None:
        return not origin_needed
    return origin.lower() in {f"{scheme}://{headers.get('Host', '').lower()}" for scheme in ("http", "https")}


def is_https(headers: Mapping[str, str]) -> bool:
    """Whether the page that sent this form was loaded by https, through a proxy: its browser says so."""
    return headers.get("Origin", "").startswith("https://")


def is_forwarded_https(headers: Mapping[str, str]) -> bool:
    """Whether X-Forwarded-Proto or Forwarded says so. Both are to be believed from a trusted proxy alone."""
    words = headers.get("X-Forwarded-Proto", "").lower().split(",")
    return words[0].strip() == "https" or _HTTPS.search(headers.get("Forwarded", "")) is not None


def is_inside(address: str | None, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether any of the networks holds the address, also where that is an IPv4 address written as IPv6."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


def _bracketed(name: str) -> str:
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name
