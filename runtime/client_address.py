"""Finds the client address of a request, also behind proxies. Pure, no I/O.

Only the part of a header that a trusted proxy wrote is used: the connection must come from a trusted proxy, and
the header is read from right to left, past the addresses of further trusted proxies, up to the first other
address. The client may have invented everything left of that. A proxy writes one of the two headers and forwards
the other one as the client sent it, so if both are there, they must name the same client. X-Forwarded-For is a
convention, not a standard; Forwarded is RFC 7239.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_CHARS = 2048
"""Limit on the characters of each of the two headers; a longer one names no client."""

MAX_HOPS = 32
"""Limit on the addresses in each of the two headers; one with more names no client."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the term of RFC 9110
_QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_PAIR = re.compile(rf"[ \t]*+(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?+[ \t]*+([;,]|\Z)")
_ESCAPED = re.compile(r"\\(.)")
_NODE = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")


def client_address(
    peer: str | None, forwarded_for: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """The client's address; None if it cannot be determined, which must never count as an allowed address.

    `peer`: the other end of the connection. `forwarded_for`, `forwarded`: every X-Forwarded-For and Forwarded
    header, in their order. `trusted`: the networks of the trusted proxies.
    """
    connected = parse_address(peer or "")
    if connected is None or not is_inside(connected, trusted):
        return connected
    clients = {
        _first_untrusted(hops, trusted)
        for lines, hops in ((forwarded_for, _forwarded_for(forwarded_for)), (forwarded, _forwarded(forwarded)))
        if lines
    }
    if not clients:
        return connected
    return clients.pop() if len(clients) == 1 else None


def is_inside(address: Address, networks: Iterable[Network]) -> bool:
    """True if any of the networks contains the address."""
    return any(address in network for network in networks)


def parse_address(text: str) -> Address | None:
    """The address, or None for other text. An IPv4 address in IPv6 notation becomes an IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _first_untrusted(hops: list[Address | None] | None, trusted: Sequence[Network]) -> Address | None:
    """The first untrusted address from the right; the leftmost one if all are trusted.

    None if an entry up to there is not an address.
    """
    client = None
    for hop in reversed(hops or ()):
        if hop is None or not is_inside(hop, trusted):
            return hop
        client = hop
    return client


def _forwarded_for(lines: Sequence[str]) -> list[Address | None] | None:
    """The addresses in X-Forwarded-For, in order; None if the header exceeds a limit."""
    if _is_too_long(lines):
        return None
    hops = [hop.strip(" \t") for line in lines for hop in line.split(",")]
    return [parse_address(hop) or _node(hop) for hop in hops] if len(hops) <= MAX_HOPS else None


def _forwarded(lines: Sequence[str]) -> list[Address | None] | None:
    """The addresses in Forwarded, in order; None if the header exceeds a limit or any part of it is malformed."""
    # Any part: after a quotation mark that the client left open, the proxy's own words would be its content.
    if _is_too_long(lines):
        return None
    hops: list[Address | None] = []
    for line in lines:
        for element in _elements(line):
            if element is None:
                return None
            if element:
                hops.append(_node(element.get("for", "")))
    return hops if len(hops) <= MAX_HOPS else None


def _elements(line: str) -> Iterator[dict[str, str] | None]:
    """The pairs of each element, with names in lower case; None at the end if the line is malformed."""
    pairs: dict[str, str] = {}
    at, end = 0, ""
    while at < len(line) or end:
        pair = _PAIR.match(line, at)
        if pair is None or (pair[1] or "").lower() in pairs:
            yield None
            return
        if pair[1]:
            pairs[pair[1].lower()] = _unquoted(pair[2])
        at, end = pair.end(), pair[3]
        if end != ";":
            yield pairs
            pairs = {}


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def _node(text: str) -> Address | None:
    """An address with or without a port, in brackets if it is IPv6; None for `unknown` and obfuscated names."""
    node = _NODE.fullmatch(text)
    return parse_address(node[1] or node[2]) if node else None


def _is_too_long(lines: Sequence[str]) -> bool:
    return sum(map(len, lines)) > MAX_CHARS
