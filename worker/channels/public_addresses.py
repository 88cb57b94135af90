"""Distinguishes public IP addresses from others. Pure."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's host endpoint
        "192.0.0.0/24",  # IETF protocol assignments, some of them reachable
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "::/96",  # IPv4-compatible addresses, deprecated
        "::ffff:0:0:0/96",  # IPv4-translated addresses
        "64:ff9b:1::/48",  # NAT64 of a local network
        "100::/64",  # discard only
        "100:0:0:1::/64",  # dummy addresses
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # unique local
        "fe80::/10",  # link local
        "fec0::/10",  # site local, deprecated
    )
)
"""Networks that the ipaddress module of some supported Python versions counts as public: its tables are older."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """The address is not public, and the channel does not allow private addresses."""

    def __init__(self) -> None:
        super().__init__("its address is not public; if that is intended, set the channel's allow_private = true")


def is_public(address: str) -> bool:
    """Return whether an IP address is public, by the IANA registries of special addresses.

    An IPv6 address that contains an IPv4 one (mapped, 6to4, Teredo, NAT64) counts as that address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _inner(ip)
    if inner is not None:
        return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


def is_private_host(host: str) -> bool:
    """Return whether a URL's host is an address that is not public, or localhost."""
    try:
        return not is_public(host.strip("[]"))
    except ValueError:
        return host.rstrip(".").lower().rpartition(".")[2] == "localhost"


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one contains; None where it contains none."""
    if not isinstance(ip, IPv6Address):
        return None
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
