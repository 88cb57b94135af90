"""Which address a request really came from, right behind proxies too. Pure, no I/O.

A header is believed only as far as a trusted proxy wrote it: only when the connection comes from one, and then
from right to left, past the addresses of further trusted proxies, up to the first that is none. What stands left
of that one the client may have made up. A proxy writes one of the two headers and passes on the other as the
client sent it, so where both come they must name the same client.
X-Forwarded-For is a custom, not a standard; Forwarded is RFC 7239.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_CHARS = 2048
"""Characters that one of the two headers may have in all; a longer one names nobody."""

MAX_HOPS = 32
"""Addresses that one of the two headers may name; one that names more names nobody."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word
_QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_PAIR = re.compile(rf"[ \t]*+(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?+[ \t]*+([;,]|\Z)")
_ESCAPED = re.compile(r"\\(.)")
_NODE = re.compile(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")


def client_address(
    peer: str | None, forwarded_for: Sequence[str], forwarded: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """The client's address; None where it cannot be told, which is never to be taken for an allowed one.

    `peer`: the connection's other end. `forwarded_for`, `forwarded`: every X-Forwarded-For and Forwarded header,
    in the order they came. `trusted`: the networks of the proxies that are believed.
    """
    connected = parsed(peer or "")
    if connected is None or not is_inside(connected, trusted):
        return connected
    told = {
        _first_untrusted(hops, trusted)
        for lines, hops in ((forwarded_for, _forwarded_for(forwarded_for)), (forwarded, _forwarded(forwarded)))
        if lines
    }
    if not told:
        return connected
    return told.pop() if len(told) == 1 else None


def is_inside(address: Address, networks: Iterable[Network]) -> bool:
    """Whether any of the networks holds the address."""
    return any(address in network for network in networks)


def parsed(text: str) -> Address | None:
    """The address; an IPv4 address that is written as IPv6 as the IPv4 address it is. None where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _first_untrusted(hops: list[Address | None] | None, trusted: Sequence[Network]) -> Address | None:
    """Counted from the right; the leftmost where all are trusted. None where one that is needed is no address."""
    client = None
    for hop in reversed(hops or ()):
        if hop is None or not is_inside(hop, trusted):
            return hop
        client = hop
    return client


def _forwarded_for(lines: Sequence[str]) -> list[Address | None] | None:
    """What X-Forwarded-For names, in order; None where it is out of bounds."""
    if _is_too_long(lines):
        return None
    hops = [hop.strip(" \t") for line in lines for hop in line.split(",")]
    return [parsed(hop) or _node(hop) for hop in hops] if len(hops) <= MAX_HOPS else None


def _forwarded(lines: Sequence[str]) -> list[Address | None] | None:
    """What Forwarded names, in order; None where it is out of bounds or any of it malformed.

    Malformed anywhere: a quotation mark that the client left open would make the proxy's own words its content.
    """
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
    """Each element's pairs, names in lower case; a None at the end where the line is malformed."""
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
    """An address, in brackets where it is IPv6, with or without a port; None for `unknown` and hidden names."""
    node = _NODE.fullmatch(text)
    return parsed(node[1] or node[2]) if node else None


def _is_too_long(lines: Sequence[str]) -> bool:
    return sum(map(len, lines)) > MAX_CHARS
