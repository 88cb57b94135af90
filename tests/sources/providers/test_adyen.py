"""Adyen: the published vector, several signed items, and what a forged item can be."""

import json
from typing import Any

import pytest

from sources.errors import DecodeError, SignatureError
from sources.providers.adyen import ADYEN
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["adyen"]
KEY = Secret(VECTOR["key_hex"])
ITEM: dict[str, Any] = {
    "additionalData": {"hmacSignature": VECTOR["hmacSignature"], "shopperEmail": "ada@example.com"},
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "eventDate": "2026-11-28T05:20:00+01:00",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "TestPayment-1407325143704",
    "paymentMethod": "visa",
    "pspReference": "7914073381342284",
    "reason": "036035:6733:12/2029",
    "success": "true",
}


def body_of(*items: object) -> bytes:
    content = {"live": "false", "notificationItems": [{"NotificationRequestItem": item} for item in items]}
    return json.dumps(content).encode()


def signed(**changes: object) -> dict[str, Any]:
    """An item with changes and a right signature."""
    body = ADYEN.sign_body(SignedRequest(body_of(ITEM | changes), {}), KEY)
    item: dict[str, Any] = json.loads(body)["notificationItems"][0]["NotificationRequestItem"]
    return item


def verify(body: bytes, *secrets: Secret) -> None:
    ADYEN.verify(SignedRequest(body, {}), secrets=secrets or [KEY])


def events(body: bytes) -> list[Any]:
    assert ADYEN.split is not None
    return [ADYEN.decode(item, "") for item in ADYEN.split(body)]


def test_the_published_vector_verifies() -> None:
    verify(body_of(ITEM))
    verify(body_of(ITEM), Secret("00" * 32), KEY)
    assert signed()["additionalData"]["hmacSignature"] == VECTOR["hmacSignature"]


@pytest.mark.parametrize(
    "change",
    [
        {"pspReference": "7914073381342285"},
        {"originalReference": "1"},
        {"merchantAccountCode": "Other"},
        {"merchantReference": "Other"},
        {"amount": {"value": 1, "currency": "EUR"}},
        {"amount": {"value": 1130, "currency": "USD"}},
        {"eventCode": "CAPTURE"},
        {"success": "false"},
    ],
)
def test_each_signed_value_is_checked(change: dict[str, object]) -> None:
    with pytest.raises(SignatureError, match="any configured secret"):
        verify(body_of(ITEM | change))


def test_one_forged_item_refuses_the_whole_body() -> None:
    verify(body_of(ITEM, signed(pspReference="2")))
    for items in ((ITEM, ITEM | {"success": "false"}), (ITEM | {"success": "false"}, ITEM)):
        with pytest.raises(SignatureError):
            verify(body_of(*items))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "body is malformed"),
        (b"[]", "body is malformed"),
        (body_of(), "no notificationItems"),
        (body_of(1), "body is malformed"),
        (b'{"notificationItems":[{}]}', "body is malformed"),
        (body_of(ITEM | {"additionalData": {}}), "set an HMAC key"),
        (b"{}", "set an HMAC key"),
    ],
)
def test_the_error_names_the_step(body: bytes, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(body)


def test_each_item_is_an_event_of_its_own() -> None:
    first, second = events(body_of(ITEM, signed(eventCode="CAPTURE")))
    assert (first.name, second.name) == ("AUTHORISATION", "CAPTURE")
    assert first.identity != second.identity
    assert first.occurred_at_ms == 1_795_839_600_000
    assert "7914073381342284" in ADYEN.terms(body_of(ITEM))


def test_a_redelivery_is_a_duplicate_and_a_later_success_is_not() -> None:
    [first], [again] = events(body_of(ITEM)), events(body_of(ITEM))
    [failed] = events(body_of(signed(success="false")))
    assert first.identity == again.identity
    assert failed.identity != first.identity


def test_a_recorded_item_with_other_unsigned_values_is_a_duplicate() -> None:
    forged = body_of(ITEM | {"eventDate": "2030-01-01T00:00:00Z", "reason": "forged", "new": 1})
    verify(forged)
    assert events(forged)[0].identity == events(body_of(ITEM))[0].identity


def test_a_list_in_an_item_is_not_another_event() -> None:
    nested = body_of(ITEM | {"notificationItems": "x"})
    with pytest.raises(DecodeError):
        events(json.dumps(json.loads(nested)["notificationItems"][0]["NotificationRequestItem"]).encode())


@pytest.mark.parametrize("text", ["", "abc", "no hex", "\xff"])
def test_another_text_is_no_key(text: str) -> None:
    assert "hex digits" in ADYEN.check_secret(Secret(text))
