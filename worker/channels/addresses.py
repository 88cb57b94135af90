"""Which addresses are public. Pure."""

from __future__ import annotations

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """The address is not public, and the channel does not allow that."""

    def __init__(self) -> None:
        super().__init__("its address is not public; where that is meant, set the channel's allow_private = true")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, as the IANA registries of special addresses have it.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, Teredo, NAT64) is as public as that.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast
