"""Tests of which client a request is from, with any headers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.client_address import MAX_CHARS, MAX_HOPS, Address, client_address, is_inside

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
PROXY, SECOND_PROXY, CLIENT, ALLOWED = "10.0.0.1", "10.9.9.9", "203.0.113.7", "34.247.197.22"
CLIENT_V6 = "2001:db8::7"


def seen(peer: str | None, *, x: tuple[str, ...] = (), f: tuple[str, ...] = ()) -> str | None:
    address = client_address(peer, x, f, TRUSTED)
    return None if address is None else str(address)


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ((CLIENT,), CLIENT),
        ((f"{CLIENT}, {SECOND_PROXY}",), CLIENT),
        ((f"{ALLOWED}, {CLIENT},{SECOND_PROXY} , 10.1.1.1",), CLIENT),
        ((ALLOWED, CLIENT, SECOND_PROXY), CLIENT),
        ((f"{CLIENT}:1234",), CLIENT),
        ((CLIENT_V6,), CLIENT_V6),
        ((f"[{CLIENT_V6}]",), CLIENT_V6),
        ((f"[{CLIENT_V6}]:443",), CLIENT_V6),
        ((f"::ffff:{CLIENT}",), CLIENT),
        ((f"rubbish, {CLIENT}",), CLIENT),
        ((f"{PROXY}, {SECOND_PROXY}",), PROXY),
        ((f"{ALLOWED}, unknown",), None),
        ((f"{ALLOWED}, ",), None),
        (("",), None),
        ((f"{ALLOWED}, {CLIENT}x",), None),
        ((f"{ALLOWED}, 010.0.0.1",), None),
        ((f'{ALLOWED}, "{CLIENT}"',), None),
        ((f"{ALLOWED}, {CLIENT}:123456",), None),
        ((" " * MAX_CHARS + CLIENT,), None),
        ((",".join([CLIENT] * (MAX_HOPS + 1)),), None),
    ],
)
def test_x_forwarded_for_is_read_from_the_right_up_to_the_first_address_that_is_not_a_proxy(
    lines: tuple[str, ...], client: str | None
) -> None:
    assert seen(PROXY, x=lines) == client


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ((f"for={CLIENT}",), CLIENT),
        ((f"For={CLIENT};Proto=https;by=10.0.0.1",), CLIENT),
        ((f'for="{CLIENT}:4711"',), CLIENT),
        ((f'for="[{CLIENT_V6}]"',), CLIENT_V6),
        ((f'for="[{CLIENT_V6}]:_port"',), CLIENT_V6),
        ((f'for={ALLOWED}, for={CLIENT};host="a\\",;b", for={SECOND_PROXY}',), CLIENT),
        ((f"for={ALLOWED}", f"for={CLIENT}", "for=10.2.2.2"), CLIENT),
        ((f", for={CLIENT} ; by=x;, ,",), CLIENT),
        (('for="20\\3.0.113.7"',), CLIENT),
        (("for=unknown",), None),
        (("for=_hidden",), None),
        ((f"for={ALLOWED}, for=_SEVKISEK",), None),
        ((f"for={ALLOWED}, by=10.0.0.1",), None),
        (("proto=https",), None),
        (("",), None),
        ((f"for={CLIENT};for={ALLOWED}",), None),
        ((f"for=[{CLIENT_V6}]",), None),
        ((f'for="{CLIENT_V6}"',), None),
        ((f'for="{CLIENT}',), None),
        ((f'for={ALLOWED};x=", for={CLIENT}',), None),
        ((f'for={ALLOWED};x=", for="[{CLIENT_V6}]:1"',), None),
        ((f"for = {CLIENT}",), None),
        ((f"{CLIENT}",), None),
        ((f"for={CLIENT}\x00",), None),
        ((f"for={CLIENT};x=\udcff",), None),
        ((",".join([f"for={CLIENT}"] * (MAX_HOPS + 1)),), None),
        ((f"for={CLIENT};x={'y' * MAX_CHARS}",), None),
    ],
)
def test_forwarded_is_read_as_its_standard_says(lines: tuple[str, ...], client: str | None) -> None:
    assert seen(PROXY, f=lines) == client


def test_without_headers_the_client_is_the_peer_of_the_connection() -> None:
    assert seen(CLIENT) == CLIENT
    assert seen(PROXY) == PROXY
    assert seen(f"::ffff:{CLIENT}", x=(ALLOWED,)) == CLIENT
    assert seen("::ffff:10.0.0.1", x=(CLIENT,)) == CLIENT
    assert seen(None) is None
    assert seen("") is None


def test_a_proxy_that_writes_one_header_does_not_make_the_other_trusted() -> None:
    assert seen(PROXY, x=(CLIENT,), f=(f"for={ALLOWED}",)) is None
    assert seen(PROXY, x=(ALLOWED,), f=(f"for={CLIENT}",)) is None
    assert seen(PROXY, x=(CLIENT,), f=("rubbish",)) is None
    assert seen(PROXY, x=(CLIENT,), f=(f'for="{CLIENT}:99";proto=https',)) == CLIENT


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
untrusted = addresses.filter(lambda address: not is_inside(_plain(address), TRUSTED))
proxies = st.sampled_from(["10.0.0.1", "10.255.255.255", "fd00::1", "fd12:3456::9"])
pieces = st.one_of(
    st.sampled_from(
        [
            *'"\\,;=[]:. \t',
            "for=",
            "For=",
            'for="',
            "by=",
            "unknown",
            "_x",
            ALLOWED,
            f'"[{CLIENT_V6}]:1"',
            PROXY,
            CLIENT,
        ]
    ),
    st.text(st.characters(max_codepoint=0xFF), max_size=4),
)
texts = st.lists(pieces, max_size=12).map("".join)
lines = st.lists(texts, max_size=4).map(tuple)


def _plain(address: Address) -> Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _as_node(address: Address, *, port: bool) -> str:
    text = str(address) if isinstance(address, IPv4Address) else f"[{address}]"
    return f'"{text}:4711"' if port else f'"{text}"'


@given(untrusted, lines, lines)
def test_an_unknown_client_is_identified_by_its_connection_whatever_it_sends(
    peer: Address, x: tuple[str, ...], f: tuple[str, ...]
) -> None:
    assert client_address(str(peer), x, f, TRUSTED) == _plain(peer)


@given(untrusted, st.lists(proxies, max_size=3), lines)
def test_behind_proxies_no_x_forwarded_for_of_a_client_gives_it_another_address(
    client: Address, inner: list[str], sent: tuple[str, ...]
) -> None:
    """Let each proxy append its client's address, to the last line or as a new line."""
    chain = ", ".join([str(client), *inner])
    appended = (*sent[:-1], f"{sent[-1]}, {chain}") if sent else (chain,)
    for x in (appended, (*sent, chain)):
        address = client_address(PROXY, x, (), TRUSTED)
        assert address == _plain(client) or (address is None and sum(x.count(",") for x in x) + len(x) > MAX_HOPS)


@given(untrusted, st.lists(proxies, max_size=3), lines, st.booleans(), lines)
def test_behind_proxies_a_client_is_itself_or_unknown_whatever_it_sends_in_both_headers(
    client: Address, inner: list[str], sent: tuple[str, ...], port: bool, x: tuple[str, ...]
) -> None:
    nodes = [_as_node(client, port=port), *(_as_node(ip_address(proxy), port=port) for proxy in inner)]
    chain = ", ".join(f"for={node};proto=https" for node in nodes)
    appended = (*sent[:-1], f"{sent[-1]}, {chain}") if sent else (chain,)

    assert client_address(PROXY, (), (chain,), TRUSTED) == _plain(client)
    for f in (appended, (*sent, chain)):
        assert client_address(PROXY, (), f, TRUSTED) in (_plain(client), None)
        assert client_address(PROXY, x, f, TRUSTED) in (_plain(client), None)


@given(st.one_of(st.none(), texts, proxies), lines, lines)
def test_no_header_causes_an_error(peer: str | None, x: tuple[str, ...], f: tuple[str, ...]) -> None:
    client_address(peer, x, f, TRUSTED)
