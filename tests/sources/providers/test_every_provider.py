"""Every provider: samples verify, no variant of them does, and no input raises another error."""

import time
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from multidict import CIMultiDict

from sources import KINDS
from sources.errors import DecodeError, SignatureError
from sources.provider import Provider
from sources.search_terms import MAX_TERMS, term
from sources.secret import Secret
from sources.signed_request import SignedRequest

URL = "https://hooks.example.com/webhooks/shop"
SECRETS = {name: Secret(kind.new_secret()) for name, kind in KINDS.items()}

every_provider = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

SIGN_PART_OF_THE_BODY = {"adyen", "mailgun", "twilio"}
"""Mailgun signs a token, Adyen eight values, and Twilio the decoded form, which can be encoded in several ways."""

SIGN_IN_HEADERS = [kind for kind in KINDS.values() if kind.signature_headers]


def signed(kind: Provider, number: int = 1, event: str = "") -> SignedRequest:
    event = event or kind.sample_event
    headers = kind.sample_headers(number, event)
    now_s = time.time()  # some providers write the time into the body
    body = kind.sign_body(
        SignedRequest(kind.sample(number, event), headers, "POST", URL, now_s), SECRETS[kind.name]
    )
    unsigned = SignedRequest(body, headers, "POST", URL, now_s)
    return SignedRequest(
        body, CIMultiDict({**headers, **kind.sign(unsigned, SECRETS[kind.name])}), "POST", URL, now_s
    )


SIGNED = {name: signed(kind) for name, kind in KINDS.items()}
"""One request of each provider, so that a test that fails can be repeated: ECDSA signs differently each time."""


def verifies(kind: Provider, request: SignedRequest) -> bool:
    try:
        kind.verify(request, secrets=[SECRETS[kind.name]])
    except SignatureError as error:
        assert str(error)
        return False
    return True


def items_of(kind: Provider, body: bytes) -> list[bytes]:
    return list(kind.split(body)) if kind.split else [body]


def kept(kind: Provider, headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in kind.kept_headers if name in headers}


def identities(kind: Provider, body: bytes, headers: Mapping[str, str]) -> set[str]:
    stored = kept(kind, headers)
    return {kind.decode(item, "", stored).identity for item in items_of(kind, body)}


@every_provider
def test_a_sample_verifies_and_decodes_to_the_event_that_was_asked_for(kind: Provider) -> None:
    request = signed(kind)
    kind.verify(request, secrets=[Secret(kind.new_secret()), SECRETS[kind.name]])
    events = [kind.decode(item, "", kept(kind, request.headers)) for item in items_of(kind, request.body)]
    assert kind.sample_event in [event.name for event in events]
    assert len({event.identity for event in events}) == len(events)


@every_provider
def test_each_sample_number_is_an_event_of_its_own_and_the_same_when_it_is_sent_again(kind: Provider) -> None:
    request = signed(kind, 1)
    again = structs.replace(request, now_s=request.now_s + 30)
    assert verifies(kind, again)
    other = signed(kind, 2)
    assert not identities(kind, request.body, request.headers) & identities(kind, other.body, other.headers)


@every_provider
def test_another_secret_does_not_verify(kind: Provider) -> None:
    with pytest.raises(SignatureError):
        kind.verify(signed(kind), secrets=[Secret(kind.new_secret())])


@every_provider
def test_a_request_without_one_of_its_signature_headers_names_a_header(kind: Provider) -> None:
    request = signed(kind)
    for name in kind.signature_headers:
        if name not in request.headers:
            continue
        headers = CIMultiDict(request.headers)
        del headers[name]
        with pytest.raises(SignatureError, match=r"header|signature"):
            kind.verify(structs.replace(request, headers=headers), secrets=[SECRETS[kind.name]])


@every_provider
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_variant_with_a_changed_byte_is_refused_or_a_duplicate(kind: Provider, data: st.DataObject) -> None:
    request = SIGNED[kind.name]
    place = data.draw(st.integers(0, len(request.body) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    body = request.body[:place] + bytes([request.body[place] ^ bit]) + request.body[place + 1 :]
    variant = structs.replace(request, body=body)
    if kind.name not in SIGN_PART_OF_THE_BODY:
        assert not verifies(kind, variant)
    elif verifies(kind, variant):
        assert identities(kind, body, request.headers) <= identities(kind, request.body, request.headers)


@pytest.mark.parametrize("kind", SIGN_IN_HEADERS, ids=lambda kind: kind.name)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_variant_with_a_changed_signature_header_verifies(kind: Provider, data: st.DataObject) -> None:
    request = SIGNED[kind.name]
    # Only the headers that `sign` adds: others are not signed. PayPal's address is compared with paypal.com only.
    unsigned = structs.replace(request, headers=kind.sample_headers(1, kind.sample_event))
    names = sorted(set(kind.sign(unsigned, SECRETS[kind.name])) - {"paypal-cert-url"})
    name = data.draw(st.sampled_from(names))
    value = request.headers[name]
    place = data.draw(st.integers(0, len(value) - 1))
    character = data.draw(st.characters(min_codepoint=33, max_codepoint=255).filter(lambda c: c != value[place]))
    headers = CIMultiDict(request.headers)
    headers[name] = value[:place] + character + value[place + 1 :]
    assert not verifies(kind, structs.replace(request, headers=headers))


_header_names = st.sampled_from(
    sorted(
        {name for kind in KINDS.values() for name in (*kind.signature_headers, *kind.kept_headers)}
        | {name.lower() for request in SIGNED.values() for name in request.headers}
    )
)
_values = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        (
            *("sha256=", "sha256=00", "sha1=00", "v0=", "v0=00", "t=1,v1=00", "t=,v1=", "t=1,t=1,v1="),
            *("v1,", "v1,AAAA", "v1a,AAAA", "v1 v1a", "1800000000", "MEUCIQ==", "-1"),
        )
    ),
)


@every_provider
@given(st.binary(max_size=60), st.dictionaries(_header_names, _values, max_size=6))
@settings(max_examples=80, deadline=None)
def test_no_request_makes_verify_raise_another_error(kind: Provider, body: bytes, headers: dict[str, str]) -> None:
    request = SignedRequest(body, CIMultiDict(headers), "POST", URL, time.time())
    assert not verifies(kind, request)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_bodies = st.one_of(
    st.binary(max_size=80),
    st.builds(lambda value: __import__("json").dumps(value).encode(), _json),
    st.dictionaries(
        st.sampled_from(["payload", "command", "Timestamp", "a"]), st.text(max_size=12), max_size=3
    ).map(lambda form: urlencode(form, errors="replace").encode()),
    st.sampled_from([b"payload=%7B%22type%22%3A%7B%7D%7D", b"payload=1&payload=2", b"a=%FF", b"=&&"]),
    st.sampled_from([b"", b"[]", b"[", b"[[]]", b"[{}]", b"\xef\xbb\xbf[1]", b"[" * 5000, b"null", b'{"type":3}']),
)


@every_provider
@given(_bodies, st.text(max_size=20), st.dictionaries(_header_names, st.text(max_size=40), max_size=3))
@settings(max_examples=120, deadline=None)
def test_no_body_makes_split_decode_or_view_raise_another_error(
    kind: Provider, body: bytes, hint: str, headers: dict[str, str]
) -> None:
    found = kind.terms(body)
    assert len(found) <= MAX_TERMS
    assert all(term(text) == text for text in found)
    try:
        items = items_of(kind, body)
    except DecodeError:
        return
    for item in items:
        try:
            event = kind.decode(item, hint, headers)
            assert kind.view(item) is not None
        except DecodeError:
            continue
        assert event.name
        assert event.identity


@every_provider
def test_what_split_returns_is_not_split_again(kind: Provider) -> None:
    for item in items_of(kind, signed(kind).body):
        assert items_of(kind, item) == [item]


@every_provider
@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_secret_is_refused_with_a_sentence_that_does_not_show_it(kind: Provider, value: bytes) -> None:
    reason = kind.check_secret(Secret(value))
    assert len(value) < 8 or value.decode("latin-1") not in reason


@every_provider
def test_the_interface_is_filled_in(kind: Provider) -> None:
    assert kind.check_secret(SECRETS[kind.name]) == ""
    assert kind.title
    assert kind.deadline_s > 0
    assert kind.success_status in (200, 201, 202, 204)
    assert list(kind.retry_schedule_s) == sorted(kind.retry_schedule_s)
    for name in (*kind.signature_headers, *kind.kept_headers):
        assert name == name.lower()
    assert not set(kind.signature_headers) & set(kind.kept_headers)
