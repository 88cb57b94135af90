"""Standard Webhooks: the published vector, both kinds of headers and of signatures."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.standard import STANDARD
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["standard_webhooks"]
SECRET, BODY = Secret(VECTOR["secret"]), VECTOR["body"].encode()
SENT_S = int(VECTOR["webhook-timestamp"])
HEADERS = {name: VECTOR[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
SVIX = {name.replace("webhook", "svix"): value for name, value in HEADERS.items()}


def verify(headers: dict[str, str], *, now_s: float = SENT_S, secret: Secret = SECRET, body: bytes = BODY) -> None:
    STANDARD.verify(SignedRequest(body, CIMultiDict(headers), now_s=now_s), secrets=[secret])


@pytest.mark.parametrize("headers", [HEADERS, SVIX])
def test_the_published_vector_verifies_under_both_names_of_its_headers(headers: dict[str, str]) -> None:
    verify(headers)
    verify({name.title(): value for name, value in headers.items()})


def test_one_of_several_signatures_is_enough() -> None:
    signature = HEADERS["webhook-signature"]
    verify(HEADERS | {"webhook-signature": f"v1,AAAA v2,zzzz {signature}"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": ""}, "webhook-id is missing"),
        ({"webhook-timestamp": ""}, "webhook-timestamp is missing"),
        ({"webhook-signature": ""}, "webhook-signature is missing"),
        ({"webhook-timestamp": "soon"}, "webhook-timestamp is malformed"),
        ({"webhook-signature": "abc"}, "webhook-signature is malformed"),
        ({"webhook-id": "msg_other"}, "any configured secret"),
        ({"webhook-id": "x" * 300}, "webhook-id is malformed"),
    ],
)
def test_the_error_names_the_step(change: dict[str, str], reason: str) -> None:
    with pytest.raises(SignatureError, match=reason) as error:
        verify(HEADERS | change)
    assert VECTOR["webhook-signature"][3:9] not in str(error.value)


@pytest.mark.parametrize(("late_s", "when"), [(301, "old"), (-301, "in the future")])
def test_a_timestamp_outside_of_five_minutes_is_refused(late_s: int, when: str) -> None:
    verify(HEADERS, now_s=SENT_S + 299)
    with pytest.raises(SignatureError, match=f"is 301 s {when}"):
        verify(HEADERS, now_s=SENT_S + late_s)


def test_an_unsigned_id_beside_the_signed_one_does_not_identify_the_event() -> None:
    verify(HEADERS | {"svix-id": "msg_forged"})
    event = STANDARD.decode(b"{}", "", {"webhook-id": "msg_1", "svix-id": "msg_forged"})
    assert event.identity == "msg_1"
    with pytest.raises(SignatureError):
        verify(SVIX | {"webhook-id": "msg_forged"})


def test_an_ed25519_signature_verifies_with_the_public_key() -> None:
    private = Ed25519PrivateKey.generate()
    public = Secret("whpk_" + b64encode(private.public_key().public_bytes_raw()).decode())
    signature = b64encode(private.sign(f"m.{SENT_S}.".encode() + BODY)).decode()
    headers = {"webhook-id": "m", "webhook-timestamp": str(SENT_S), "webhook-signature": f"v1a,{signature}"}
    verify(headers, secret=public)
    with pytest.raises(SignatureError):
        verify(headers, secret=public, body=BODY + b" ")
    with pytest.raises(SignatureError):
        verify(headers)


def test_a_private_key_signs_and_its_public_key_verifies() -> None:
    private = Ed25519PrivateKey.generate()
    seed, public = private.private_bytes_raw(), private.public_key().public_bytes_raw()
    headers = STANDARD.sign(
        SignedRequest(BODY, {}, now_s=SENT_S), Secret("whsk_" + b64encode(seed + public).decode())
    )
    verify(dict(headers), secret=Secret("whpk_" + b64encode(public).decode()))


@pytest.mark.parametrize("text", ["whsec_", "whsec_!!", "not base64!", "whpk_AAAA", "\xff"])
def test_another_text_is_no_secret(text: str) -> None:
    assert "whsec_" in STANDARD.check_secret(Secret(text))


def test_the_identity_is_the_same_in_each_try() -> None:
    body = STANDARD.sample(1, "invoice.paid")
    event = STANDARD.decode(body, "", {"webhook-id": "msg_1"})
    assert (event.name, event.identity, event.remember_s) == ("invoice.paid", "msg_1", None)
    assert event.occurred_at_ms is not None
