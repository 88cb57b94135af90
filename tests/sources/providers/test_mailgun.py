"""Mailgun: the recipe, and what a replayed signature can do."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from sources.errors import SignatureError
from sources.providers.mailgun import MAILGUN
from sources.secret import Secret
from sources.signed_request import SignedRequest

KEY, SENT_S = Secret("key-of-the-tests"), 1_795_839_600
TOKEN = "e0b5477167110d68991efc6b9f89f0a11066af27834600e123"
EVENT = {
    "id": "G9Bn5sl1TC6nu79C8C0bwg",
    "event": "failed",
    "severity": "permanent",
    "timestamp": SENT_S + 0.5,
    "recipient": "alice@example.com",
    "delivery-status": {"code": 605, "message": "Not delivering to previously bounced address"},
    "message": {"headers": {"message-id": "20130503192659.13651.20287@mg.example.com"}},
}


def signature_of(timestamp: str, token: str, key: Secret = KEY) -> str:
    return hmac.new(key.reveal(), (timestamp + token).encode(), hashlib.sha256).hexdigest()


def body_of(event: object = EVENT, **changes: object) -> bytes:
    timestamp = str(SENT_S)
    signature: dict[str, Any] = {
        "timestamp": timestamp,
        "token": TOKEN,
        "signature": signature_of(timestamp, TOKEN),
    }
    return json.dumps({"signature": signature | changes, "event-data": event}).encode()


def verify(body: bytes, *, late_s: float = 1) -> None:
    MAILGUN.verify(SignedRequest(body, {}, now_s=SENT_S + late_s), secrets=[Secret("old"), KEY])


def test_a_signature_by_the_recipe_verifies() -> None:
    verify(body_of())


def test_the_event_of_a_subaccount_verifies_with_the_key_of_the_main_account() -> None:
    of_subaccount = signature_of(str(SENT_S), TOKEN, Secret("another"))
    verify(body_of(**{"signature": of_subaccount, "parent-signature": signature_of(str(SENT_S), TOKEN)}))
    with pytest.raises(SignatureError):
        verify(body_of(**{"signature": of_subaccount, "parent-signature": of_subaccount}))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"timestamp=1&token=2", "body is malformed"),
        (b"{}", "the body has no signature"),
        (body_of(token=""), "the body has no signature"),
        (body_of(signature=""), "the body has no signature"),
        (body_of(timestamp="soon"), "timestamp of the signature is malformed"),
        (body_of(token="f" + TOKEN[1:]), "any configured secret"),
        (body_of(timestamp=str(SENT_S + 1)), "any configured secret"),
        (body_of(signature=signature_of(str(SENT_S), TOKEN).upper()), "any configured secret"),
    ],
)
def test_the_error_names_the_step(body: bytes, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(body)


def test_a_signature_is_refused_before_its_identity_may_be_forgotten() -> None:
    verify(body_of(), late_s=9 * 3600)
    with pytest.raises(SignatureError, match=r"signature\.timestamp is 86400 s old"):
        verify(body_of(), late_s=86_400)


def test_another_event_under_a_recorded_signature_is_a_duplicate() -> None:
    forged = body_of(EVENT | {"id": "forged", "recipient": "bob@example.com"})
    verify(forged)  # Mailgun does not sign the event
    assert MAILGUN.decode(forged, "").identity == MAILGUN.decode(body_of(), "").identity


def test_a_digit_moved_from_the_token_to_the_timestamp_gives_no_new_identity() -> None:
    timestamp, token = str(SENT_S)[:-1], str(SENT_S)[-1] + TOKEN
    moved = body_of(timestamp=timestamp, token=token)
    assert MAILGUN.decode(moved, "").identity == MAILGUN.decode(body_of(), "").identity
    with pytest.raises(SignatureError, match="s old"):
        verify(moved)


def test_a_realistic_body_is_decoded_and_templates_see_the_event() -> None:
    event = MAILGUN.decode(body_of(), "")
    assert (event.name, event.occurred_at_ms, event.remember_s) == ("failed", SENT_S * 1000 + 500, None)
    assert MAILGUN.view(body_of())["delivery-status"]["code"] == 605
    assert "signature" not in MAILGUN.view(body_of())
    assert MAILGUN.terms(body_of())[1] == "alice@example.com"


def test_only_200_is_success_for_mailgun() -> None:
    assert MAILGUN.success_status == 200
