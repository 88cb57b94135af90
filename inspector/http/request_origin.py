"""Checks of the Host and Origin headers of a request. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HTTPS = re.compile(r"(?:^|[;,\s])proto=\"?https\b", re.IGNORECASE)
_WILD = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not listened on


def known_names(host: str, hosts: Sequence[str]) -> frozenset[str]:
    """The host names that the inspector accepts: local ones, the address it listens on, and those of the
    config."""
    own = {f"[{host}]" if ":" in host else host} if host not in _WILD else set()
    return frozenset(name.lower() for name in (*_LOCAL, *own, *(_bracketed(name) for name in hosts)))


def is_known(host_headers: Sequence[str], names: Collection[str]) -> bool:
    """Return whether there is exactly one Host header, and it names the inspector, with or without a port."""
    # Another web site can let its own name resolve to this address (DNS rebinding). Its Host header reveals that.
    if len(host_headers) != 1:
        return False
    host = _HOST.fullmatch(host_headers[0])
    return host is not None and host[1].lower() in names


def is_own_page(headers: Mapping[str, str], *, origin_needed: bool) -> bool:
    """Return whether the headers say that a page of the inspector sent this request.

    Origin must name the same host as the Host header. Every browser sends it with a form. If it is not needed,
    programs may leave it out, which browsers cannot.
    """
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "same-origin")
    if site != "same-origin":
        return False
    if origin is None:
        return not origin_needed
    return origin.lower() in {f"{scheme}://{headers.get('Host', '').lower()}" for scheme in ("http", "https")}


def is_https(headers: Mapping[str, str]) -> bool:
    """Return whether the Origin header says that the page with this form was loaded by https, through a proxy."""
    return headers.get("Origin", "").startswith("https://")


def is_forwarded_https(headers: Mapping[str, str]) -> bool:
    """Return whether X-Forwarded-Proto or Forwarded says https. Only for requests of a trusted proxy."""
    words = headers.get("X-Forwarded-Proto", "").lower().split(",")
    return words[0].strip() == "https" or _HTTPS.search(headers.get("Forwarded", "")) is not None


def is_inside(address: str | None, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Return whether an address is in one of the networks. An IPv4 address may be written as IPv6."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)


def _bracketed(name: str) -> str:
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name
