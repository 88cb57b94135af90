"""`hookline verify` on arbitrary files and requests: one kind of error, and no text of the secret or signature."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from launcher.commands.verify.captured_request import CaptureError, parse_captured
from launcher.commands.verify.diagnosis import Subject, diagnose
from launcher.commands.verify.reencodings import reencodings
from sources import KINDS
from sources.errors import SignatureError
from sources.provider import Provider
from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.url_event import UrlEvents

URL = "https://a.example/webhooks/shop"

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["log", "entries", "request", "method", "url", "headers", "body", "postData", "name"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_files = st.one_of(
    st.binary(max_size=80),
    _json.map(msgspec.json.encode),
    st.text(max_size=60).map(lambda text: f"> POST /webhooks/a HTTP/1.1\n> {text}".encode()),
    st.text(max_size=60).map(lambda text: f"POST /webhooks/a HTTP/1.1\r\n{text}\r\n\r\n{text}".encode()),
)


@given(_files)
def test_any_file_is_a_request_or_one_error(content: bytes) -> None:
    try:
        captured = parse_captured(content, "file")
    except CaptureError as error:
        assert str(error).startswith("file: ")
        return
    assert captured.method
    assert all(isinstance(value, str) for value in captured.headers.values())


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(st.binary(max_size=60), st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4))
@settings(max_examples=30, deadline=None)
def test_any_request_gets_a_diagnosis(kind: Provider, body: bytes, headers: dict[str, str]) -> None:
    secret = Secret(kind.new_secret())
    subject = Subject(kind=kind, secrets=[secret], url_events=UrlEvents("shop", kind))
    try:
        signed = dict(kind.sign(SignedRequest(body, {}, "POST", "https://a.example/", time.time()), secret))
    except SignatureError:  # the provider cannot sign such a body
        signed = {}
    for sent in (headers, headers | signed):
        request = SignedRequest(
            body + b"x", CIMultiDict(sent), "POST", "https://a.example/webhooks/shop", time.time()
        )
        steps = diagnose(subject, request, captured_url="https://b.example/webhooks/shop?a=b")
        shown = " ".join(step.text + step.advice for step in steps)
        assert steps[-1].outcome == "failed"
        assert secret.reveal().decode() not in shown
        assert not [value for value in signed.values() if len(value) > 20 and value in shown]


@given(st.one_of(st.binary(max_size=60), _json.map(msgspec.json.encode), st.just(b"[" * 3_000)))
def test_other_forms_of_a_body_differ_from_it_and_from_each_other(body: bytes) -> None:
    forms = [form for _, form in reencodings(body)]
    assert body not in forms
    assert len(set(forms)) == len(forms)
