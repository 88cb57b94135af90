"""Tests of Voucherify's signature, with the vectors that its documentation publishes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.errors import SignatureError
from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.voucherify.signature import HEADER, sign, verify, without_white_space

KEY = Secret("secretKey")
VECTORS = [
    (b'{"a":1}', "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2"),
    (b'{\n  "a": 1\n}', "a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2"),
    (b'{"a\\"b":1}', "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb"),
    (b'{\n    "a\\"b" : 1\n}', "f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb"),
    (b"  message  ", "53ff92957e1427ce23ad5bda9d0c5f2f4ff384d0806b83eeacb510c842d3a358"),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(("body", "signature"), VECTORS)
def test_the_published_vectors_verify(body: bytes, signature: str) -> None:
    verify(SignedRequest(body, {HEADER: signature}), secrets=[KEY])


@pytest.mark.parametrize(("body", "signature"), VECTORS)
def test_a_vector_does_not_verify_with_another_key(body: bytes, signature: str) -> None:
    with pytest.raises(SignatureError):
        verify(SignedRequest(body, {HEADER: signature}), secrets=[Secret("secretKez")])


def test_each_of_several_secrets_verifies_so_that_one_can_be_rotated() -> None:
    old, new = Secret("old-secret"), Secret("new-secret")
    for secret in (old, new):
        verify(SignedRequest(b"{}", {HEADER: sign(b"{}", secret)}), secrets=[old, new])


def test_white_space_outside_json_is_part_of_the_signed_text() -> None:
    with pytest.raises(SignatureError):
        verify(SignedRequest(b"message", {HEADER: VECTORS[-1][1]}), secrets=[KEY])


@pytest.mark.parametrize("signature", [None, "", "é", "0" * 64, "a17d", VECTORS[0][1].upper()])
def test_a_missing_or_malformed_signature_is_refused(signature: str | None) -> None:
    with pytest.raises(SignatureError):
        verify(SignedRequest(b'{"a":1}', {HEADER: signature}), secrets=[KEY])


@given(st.binary(max_size=2000))
def test_each_signed_body_verifies(body: bytes) -> None:
    verify(SignedRequest(body, {HEADER: sign(body, KEY)}), secrets=[KEY])


@given(json_values, st.sampled_from([None, 0, 2, "\t"]))
def test_json_that_was_indented_on_its_way_verifies(value: object, indent: int | str | None) -> None:
    compact = json.dumps(value, separators=(",", ":")).encode()
    verify(SignedRequest(json.dumps(value, indent=indent).encode(), {HEADER: sign(compact, KEY)}), secrets=[KEY])


@given(json_values)
def test_stripping_white_space_never_changes_the_value(value: object) -> None:
    assert json.loads(without_white_space(json.dumps(value, indent=3).encode())) == value


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_a_signature_of_one_body_is_refused_for_another(one: bytes, other: bytes) -> None:
    if without_white_space(one) == without_white_space(other):
        return
    with pytest.raises(SignatureError):
        verify(SignedRequest(other, {HEADER: sign(one, KEY)}), secrets=[KEY])


def test_a_deeply_nested_body_is_refused_without_another_error() -> None:
    with pytest.raises(SignatureError):
        verify(SignedRequest(b"[ " * 100_000, {HEADER: "0" * 64}), secrets=[KEY])


def test_a_secret_is_not_shown_in_its_repr() -> None:
    assert "secretKey" not in f"{KEY} {KEY!r} {[KEY]}"
