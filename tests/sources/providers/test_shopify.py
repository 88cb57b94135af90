"""Shopify: signatures by the documented recipe, topics, and the same webhook again.

Shopify publishes no vector: the tests compute the signature with hmac alone.
"""

import hmac
from base64 import b64encode

import pytest
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.shopify import SHOPIFY
from sources.secret import Secret
from sources.signed_request import SignedRequest

SECRET = Secret("hush-client-secret")
ORDER = (
    b'{"id":450789469,"admin_graphql_api_id":"gid://shopify/Order/450789469","created_at":"2026-11-18T10:00:00-05:00",'
    b'"updated_at":"2026-11-18T10:00:05-05:00","name":"#1001","order_number":1001,"email":"Ada@Example.com",'
    b'"currency":"EUR","total_price":"19.90","financial_status":"paid","customer":{"id":207119551,"phone":'
    b'"+49 151 23456789"},"discount_codes":[{"code":"TEA10"}],"line_items":[{"id":703073504,"title":"Tea"}]}'
)
NAMED = {
    "x-shopify-topic": "orders/create",
    "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
    "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
}


def recipe(body: bytes, secret: Secret = SECRET) -> str:
    return b64encode(hmac.digest(secret.reveal(), body, "sha256")).decode()


def verify(signature: str, body: bytes = ORDER) -> None:
    headers = CIMultiDict({"X-Shopify-Hmac-SHA256": signature})
    SHOPIFY.verify(SignedRequest(body, headers), secrets=[Secret("another"), SECRET])


def test_the_documented_recipe_verifies() -> None:
    verify(recipe(ORDER))
    assert SHOPIFY.sign(SignedRequest(ORDER, {}), SECRET) == {"x-shopify-hmac-sha256": recipe(ORDER)}


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "x-shopify-hmac-sha256 is missing"),
        ("AAAA", "any configured secret"),
        (hmac.digest(SECRET.reveal(), ORDER, "sha256").hex(), "any configured secret"),
        (recipe(ORDER).rstrip("="), "any configured secret"),
        (recipe(ORDER, Secret("a third")), "any configured secret"),
        (recipe(ORDER + b"\n"), "any configured secret"),
    ],
)
def test_forged_variants_are_refused(signature: str, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(signature)


def test_an_order_is_decoded() -> None:
    event = SHOPIFY.decode(ORDER, "", NAMED)
    assert (event.name, event.occurred_at_ms, event.remember_s) == ("orders/create", 1_795_014_005_000, None)
    found = SHOPIFY.terms(ORDER)
    assert found[:2] == ("450789469", "207119551")
    assert {"1001", "ada@example.com", "4915123456789", "tea10"} <= set(found)


def test_the_same_webhook_again_is_the_same_event() -> None:
    first = SHOPIFY.decode(ORDER, "", NAMED).identity
    assert SHOPIFY.decode(ORDER, "", dict(NAMED)).identity == first
    # Another subscription to the same topic has another webhook id, and the event stays the same.
    assert SHOPIFY.decode(ORDER, "", NAMED | {"x-shopify-webhook-id": "other"}).identity == first


def test_another_event_with_an_equal_body_is_another_one() -> None:
    first = SHOPIFY.decode(ORDER, "", NAMED).identity
    assert SHOPIFY.decode(ORDER, "", NAMED | {"x-shopify-event-id": "other"}).identity != first
    assert SHOPIFY.decode(ORDER, "", NAMED | {"x-shopify-topic": "orders/paid"}).identity != first


def test_forged_ids_cannot_make_another_body_a_duplicate() -> None:
    assert SHOPIFY.decode(b'{"id":1}', "", NAMED).identity != SHOPIFY.decode(b'{"id":2}', "", NAMED).identity


def test_without_an_event_id_the_webhook_id_identifies_the_event_and_else_the_hash() -> None:
    old = {name: value for name, value in NAMED.items() if name != "x-shopify-event-id"}
    first = SHOPIFY.decode(ORDER, "", old)
    assert (SHOPIFY.decode(ORDER, "", old).identity, first.remember_s) == (first.identity, None)
    assert SHOPIFY.decode(ORDER, "", old | {"x-shopify-webhook-id": "other"}).identity != first.identity
    assert SHOPIFY.decode(ORDER, "orders/create").remember_s == 5 * 3600


def test_a_deleted_object_has_no_time() -> None:
    event = SHOPIFY.decode(b'{"id":788032119674292922}', "", NAMED | {"x-shopify-topic": "products/delete"})
    assert (event.name, event.occurred_at_ms) == ("products/delete", None)


@pytest.mark.parametrize("topic", ["orders/create", "orders/paid", "customers/create"])
def test_a_sample_has_an_email_address_and_a_time(topic: str) -> None:
    body = SHOPIFY.sample(3, topic)
    event = SHOPIFY.decode(body, "", SHOPIFY.sample_headers(3, topic))
    assert event.name == topic
    assert event.occurred_at_ms
    assert SHOPIFY.view(body)["email"] == "member3@example.com"
