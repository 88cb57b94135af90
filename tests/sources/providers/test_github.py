"""GitHub: the published vector, names and identities."""

import pytest
from multidict import CIMultiDict

from sources.errors import DecodeError, SignatureError
from sources.providers.github import GITHUB
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["github"]
NAMED = {"x-github-event": "release", "x-github-delivery": "d-1"}


def test_the_published_vector_verifies() -> None:
    headers = CIMultiDict({"X-Hub-Signature-256": VECTOR["X-Hub-Signature-256"]})
    GITHUB.verify(SignedRequest(VECTOR["body"].encode(), headers), secrets=[Secret(VECTOR["secret"])])


@pytest.mark.parametrize(
    ("signature", "reason"),
    [("", "is missing"), ("sha1=00", "malformed"), ("sha256=00", "any configured secret")],
)
def test_the_error_names_the_step(signature: str, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        GITHUB.verify(SignedRequest(b"{}", {"x-hub-signature-256": signature}), secrets=[Secret("s")])


@pytest.mark.parametrize(
    ("event", "body", "name"),
    [
        ("release", b'{"action":"published"}', "release.published"),
        ("push", b"{}", "push"),
        ("ping", b"{}", "ping"),
        ("push", b'{"action":3}', "push"),
    ],
)
def test_the_name_is_the_header_and_the_action(event: str, body: bytes, name: str) -> None:
    assert GITHUB.decode(body, "", {"x-github-event": event}).name == name


def test_a_redelivery_is_the_same_event_and_an_equal_body_of_another_delivery_is_not() -> None:
    first = GITHUB.decode(b"{}", "", NAMED)
    assert GITHUB.decode(b"{}", "", NAMED).identity == first.identity
    assert GITHUB.decode(b"{}", "", NAMED | {"x-github-delivery": "d-2"}).identity != first.identity


def test_a_forged_delivery_id_cannot_make_another_body_a_duplicate() -> None:
    assert GITHUB.decode(b'{"a":1}', "", NAMED).identity != GITHUB.decode(b'{"a":2}', "", NAMED).identity


def test_without_a_delivery_id_the_hash_is_remembered_as_long_as_people_can_redeliver() -> None:
    assert GITHUB.decode(b"{}", "push", {}).remember_s == 3 * 86_400


def test_a_form_is_refused_with_advice() -> None:
    with pytest.raises(DecodeError, match="application/json"):
        GITHUB.decode(b"payload=%7B%7D", "", NAMED)
