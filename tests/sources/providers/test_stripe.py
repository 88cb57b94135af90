"""Stripe: the vector of its own SDK, several signatures, and the same event in another try."""

import hmac

import pytest
from msgspec import structs
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.stripe import STRIPE
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

VECTOR = VECTORS["stripe"]
BODY, SECRET, SENT_S = VECTOR["body"].encode(), Secret(VECTOR["secret"]), 1_533_204_620
SIGNED = SignedRequest(BODY, CIMultiDict({"Stripe-Signature": VECTOR["Stripe-Signature"]}), now_s=SENT_S + 100)

FAILED_INVOICE = b"""{
  "id": "evt_1QabcInvoiceFailed",
  "object": "event",
  "created": 1795000000,
  "data": {
    "object": {
      "id": "in_1Qabc", "object": "invoice", "customer": "cus_9xyz", "customer_email": "Ada@Example.com",
      "amount_due": 2900, "currency": "eur", "attempt_count": 2, "subscription": "sub_77",
      "hosted_invoice_url": "https://invoice.stripe.com/i/acct_1/test", "lines": {"data": [{"id": "il_1"}]}
    }
  },
  "livemode": true,
  "type": "invoice.payment_failed"
}"""


def header(signature: str) -> SignedRequest:
    return structs.replace(SIGNED, headers=CIMultiDict({"Stripe-Signature": signature}))


def test_the_published_vector_verifies() -> None:
    STRIPE.verify(SIGNED, secrets=[Secret("whsec_new"), SECRET])


def test_one_of_several_signatures_is_enough_while_a_secret_is_rolled() -> None:
    timestamp, signature, _ = VECTOR["Stripe-Signature"].split(",")
    STRIPE.verify(header(f"{timestamp},v1={'0' * 64},{signature}"), secrets=[SECRET])


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "stripe-signature is missing"),
        ("v1=00", "malformed: expected t=SECONDS,v1=SIGNATURE"),
        (f"t={SENT_S}", "malformed"),
        (f"t={SENT_S},v0={VECTOR['Stripe-Signature'][-64:]}", "malformed"),
        (f"t={SENT_S},t={SENT_S},v1=00", "malformed"),
        (f"t={SENT_S}" + ",v1=00" * 40, "malformed"),
        ("t=soon,v1=00", "malformed: expected a whole number"),
        (f"t={SENT_S},v1=00", "any configured secret"),
        (VECTOR["Stripe-Signature"].replace("t=1533204620", "t=1533204621"), "any configured secret"),
    ],
)
def test_the_error_names_the_step(signature: str, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        STRIPE.verify(header(signature), secrets=[SECRET])


@pytest.mark.parametrize(("late_s", "when"), [(301, "old"), (-301, "in the future")])
def test_a_time_outside_of_five_minutes_is_refused(late_s: int, when: str) -> None:
    STRIPE.verify(structs.replace(SIGNED, now_s=SENT_S + 300), secrets=[SECRET])
    with pytest.raises(SignatureError, match=f"is 301 s {when}"):
        STRIPE.verify(structs.replace(SIGNED, now_s=SENT_S + late_s), secrets=[SECRET])


def test_the_key_is_the_whole_text_of_the_secret() -> None:
    secret = Secret(STRIPE.new_secret())
    expected = hmac.digest(secret.reveal(), b"1533204620." + BODY, "sha256").hex()
    headers = STRIPE.sign(SignedRequest(BODY, {}, now_s=SENT_S), secret)
    assert headers == {"stripe-signature": f"t=1533204620,v1={expected}"}


def test_another_try_has_another_signature_and_is_the_same_event() -> None:
    first, again = (STRIPE.sign(SignedRequest(BODY, {}, now_s=now_s), SECRET) for now_s in (SENT_S, SENT_S + 3600))
    assert first != again
    # The number of endpoints that still wait for the event differs between tries.
    later = BODY.replace(b'"pending_webhooks": 1', b'"pending_webhooks": 0')
    assert later != BODY
    assert STRIPE.decode(BODY, "").identity == STRIPE.decode(later, "").identity == "evt_123"


def test_an_event_is_decoded() -> None:
    event = STRIPE.decode(FAILED_INVOICE, "")
    assert (event.name, event.identity) == ("invoice.payment_failed", "evt_1QabcInvoiceFailed")
    assert (event.occurred_at_ms, event.remember_s) == (1_795_000_000_000, None)
    assert STRIPE.view(FAILED_INVOICE)["data"]["object"]["hosted_invoice_url"].startswith("https://")
    found = STRIPE.terms(FAILED_INVOICE)
    assert found[:2] == ("evt_1qabcinvoicefailed", "in_1qabc")
    assert {"cus_9xyz", "sub_77", "ada@example.com"} <= set(found)


def test_a_thin_event_has_its_time_as_text() -> None:
    body = b'{"id":"evt_2","type":"v2.core.account.updated","created":"2026-11-19T08:26:40Z"}'
    event = STRIPE.decode(body, "")
    assert (event.name, event.occurred_at_ms) == ("v2.core.account.updated", 1_795_076_800_000)


@pytest.mark.parametrize(
    "event",
    ["payment_intent.succeeded", "invoice.payment_failed", "checkout.session.completed", "charge.refunded"],
)
def test_a_sample_has_the_object_of_its_event(event: str) -> None:
    body = STRIPE.sample(3, event)
    assert STRIPE.decode(body, "").name == event
    assert STRIPE.view(body)["data"]["object"]["object"] == event.rpartition(".")[0]
    assert "member3@example.com" in STRIPE.terms(body)


def test_an_api_key_is_no_signing_secret() -> None:
    assert "whsec_" in STRIPE.check_secret(Secret("sk_live_51abcdefgh"))
