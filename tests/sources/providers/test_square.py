"""Square: the published vector, and a redelivery."""

import json

import pytest
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.square import SQUARE
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["square"]
BODY, KEY = VECTOR["body"].encode(), Secret(VECTOR["key"])
HEADERS = {"X-Square-HmacSha256-Signature": VECTOR["x-square-hmacsha256-signature"]}
PAYMENT = json.dumps(
    {
        "merchant_id": "6SSW7HV8K2ST5",
        "type": "payment.updated",
        "event_id": "6a8f5f28-54a1-4eb0-a98a-3111513fd4fc",
        "created_at": "2026-11-28T04:20:00.123456789Z",
        "data": {
            "type": "payment",
            "id": "hYy9pRFVxpDsO1FB05SunFWUe9JZY",
            "object": {"payment": {"id": "hYy9pRFVxpDsO1FB05SunFWUe9JZY", "status": "COMPLETED"}},
        },
    }
).encode()


def verify(body: bytes = BODY, url: str = VECTOR["url"], headers: dict[str, str] = HEADERS) -> None:
    SQUARE.verify(SignedRequest(body, CIMultiDict(headers), url=url), secrets=[Secret("old"), KEY])


def test_the_published_vector_verifies() -> None:
    verify()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"body": BODY + b"\n"}, "any configured secret"),
        ({"url": VECTOR["url"] + "/"}, "any configured secret"),
        ({"url": VECTOR["url"].replace("https", "http")}, "any configured secret"),
        ({"headers": {}}, "x-square-hmacsha256-signature is missing"),
        ({"headers": {"x-square-signature": "x"}}, "x-square-hmacsha256-signature is missing"),
    ],
)
def test_a_forged_request_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(**change)  # type: ignore[arg-type]


def test_a_redelivery_is_a_duplicate_by_its_signed_id() -> None:
    first = SQUARE.decode(PAYMENT, "")
    assert SQUARE.decode(PAYMENT, "").identity == first.identity == "6a8f5f28-54a1-4eb0-a98a-3111513fd4fc"
    assert (first.name, first.occurred_at_ms) == ("payment.updated", 1_795_839_600_123)
    assert first.remember_s is None
    assert SQUARE.decode(b'{"type":"payment.updated"}', "").remember_s == 25 * 3600


def test_the_payment_can_be_searched() -> None:
    assert "hyy9prfvxpdso1fb05sunfwue9jzy" in SQUARE.terms(PAYMENT)
