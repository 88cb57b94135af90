"""Every provider that a valid table describes: no other error for any request, and no changed byte is accepted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from launcher.config.config import read
from launcher.errors import ConfigError
from sources.errors import DecodeError, SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.signed_request import NO_HEADERS, SignedRequest
from sources.source_kinds import provider_of

NOW_S = 1_800_000_000.0
URL = "https://hooks.example.com/webhooks/shop"

_headers = st.sampled_from(["x-mac", "X-Time", "x-id", "x-event", "authorization", "no header", ""])
_paths = st.sampled_from(["type", "$.id", "data[0].type", "[0].id", "$", "a..b", "", "[1000]", "x.y[2][3]"])
_places = st.one_of(
    st.just(""), _headers.map("header:{}".format), _paths.map("path:{}".format), st.text(max_size=8)
)
_signed = st.lists(
    st.sampled_from(
        ["{body}", "{timestamp}", "{url}", "{method}", "{header:x-id}", ".", ":", "v0", "{", "{bod}", "\n", "é"]
    ),
    max_size=6,
).map("".join)
_of_event = {
    "event": _places,
    "id": _places,
    "split": _paths,
    "success_status": st.integers(190, 310),
    "deadline_s": st.floats(0.5, 400),
}
_hmac = st.fixed_dictionaries(
    {"header": _headers},
    optional=_of_event
    | {
        "prefix": st.sampled_from(["", "v1=", "sha256=", "t=", "é"]),
        "separator": st.sampled_from(["", ",", ", ", " ", ";", "="]),
        "algorithm": st.sampled_from(["sha1", "sha256", "sha512", "md5"]),
        "encoding": st.sampled_from(["hex", "base64"]),
        "key": st.sampled_from(["text", "base64", "hex"]),
        "signed": st.one_of(st.just("{timestamp}.{body}"), _signed),
        "timestamp": st.one_of(st.sampled_from(["", "part:t", "header:x-time"]), _places),
        "timestamp_unit": st.sampled_from(["s", "ms"]),
        "tolerance_s": st.floats(0, 600),
    },
)
_token = st.fixed_dictionaries(
    {},
    optional=_of_event
    | {"header": _headers, "prefix": st.sampled_from(["", "Bearer ", "é"]), "basic": st.booleans()},
)
_tables = st.one_of(
    st.tuples(st.just("hmac"), _hmac),
    st.tuples(st.just("token"), _token),
    st.tuples(st.just("none"), st.fixed_dictionaries({}, optional=_of_event)),
)


def checked(kind: str, table: dict[str, Any]) -> Provider | None:
    """The provider of a table, or None if the config has a fault."""
    source: dict[str, Any] = {"kind": kind, kind: table, "addresses": ["192.0.2.0/24"]}
    try:
        config = read({"sources": {"shop": source}, "receiver": {"public_url": "https://hooks.example.com"}}, {})
    except ConfigError as error:
        assert all(fault.reason for fault in error.faults)
        return None
    return provider_of(config.sources["shop"])


def verifies(kind: Provider, request: SignedRequest, secret: Secret) -> bool:
    try:
        kind.verify(request, secrets=[secret])
    except SignatureError as error:
        assert str(error)
        return False
    return True


def items_of(kind: Provider, body: bytes) -> list[bytes]:
    try:
        return list(kind.split(body)) if kind.split else [body]
    except DecodeError:
        return []


_names = st.sampled_from(["x-mac", "x-time", "x-id", "x-event", "authorization"])
_values = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["t=1800000000,v1=00", "v1=AAAA", "1800000000", "Basic !!", "Bearer x", "t=,t=,v1=", "\ud800"]
    ),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "data", "x", "y"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_bodies = st.one_of(st.binary(max_size=40), _json.map(msgspec.json.encode), st.just(b"[" * 5_000))


@given(_tables, _bodies, st.dictionaries(_names, _values, max_size=5), st.text(max_size=8))
def test_no_request_makes_a_checked_provider_raise_another_error(
    table: tuple[str, dict[str, Any]], body: bytes, headers: dict[str, str], hint: str
) -> None:
    kind = checked(*table)
    assume(kind is not None)
    assert kind is not None
    secret = Secret(kind.new_secret())
    is_accepted = verifies(kind, SignedRequest(body, CIMultiDict(headers), "POST", URL, NOW_S), secret)
    assert is_accepted == (not kind.authenticates)
    for item in items_of(kind, body):
        stored = {name: headers[name] for name in kind.kept_headers if name in headers} or NO_HEADERS
        try:
            event = kind.decode(item, hint, stored)
        except DecodeError:
            continue
        assert event.name
        assert event.identity
    kind.terms(body)
    kind.url_event(body, hint)


@given(_hmac, st.data())
def test_no_changed_byte_of_a_sample_is_accepted(table: dict[str, Any], data: st.DataObject) -> None:
    kind = checked("hmac", table)
    assume(kind is not None)
    assert kind is not None
    secret = Secret(kind.new_secret())
    body = kind.sample(1, kind.sample_event)
    assume(body != kind.sample(2, kind.sample_event))  # a table may look for name and id in one place
    sample_headers = kind.sample_headers(1, kind.sample_event)
    signed = {**sample_headers, **kind.sign(SignedRequest(body, sample_headers, "POST", URL, NOW_S), secret)}
    assert verifies(kind, SignedRequest(body, CIMultiDict(signed), "POST", URL, NOW_S), secret)

    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([body[place] ^ (1 << data.draw(st.integers(0, 7)))]) + body[place + 1 :]
    for other in (changed, body[:place], body + b" "):
        assert not verifies(kind, SignedRequest(other, CIMultiDict(signed), "POST", URL, NOW_S), secret)
    assert not verifies(
        kind, SignedRequest(body, CIMultiDict(signed), "POST", URL, NOW_S), Secret(kind.new_secret())
    )

    header = kind.signature_headers[0]
    value = signed[header]
    place = data.draw(st.integers(0, len(value) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=255).filter(lambda c: c != value[place]))
    forged = {**signed, header: value[:place] + character + value[place + 1 :]}
    assert not verifies(kind, SignedRequest(body, CIMultiDict(forged), "POST", URL, NOW_S), secret)


@pytest.mark.parametrize("kind", ["hmac", "token", "none"])
def test_the_strategies_reach_valid_tables(kind: str) -> None:
    assert checked(kind, {"header": "x-mac"} if kind == "hmac" else {}) is not None
