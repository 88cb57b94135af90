"""Tests of identity: what makes two bodies the same event."""

import json
from typing import Any

import pytest

from sources.errors import SignatureError
from sources.secret import Secret
from sources.signed_request import SignedRequest
from sources.voucherify import VOUCHERIFY
from tests.sources.payloads import PAYLOADS, POINTS_ADDED, compact, decode, project_webhook, webhook

DATA = PAYLOADS[POINTS_ADDED]
SENT = webhook(POINTS_ADDED, DATA)


def identity(body: object, hint: str = "") -> str:
    return decode(body, hint).identity


def test_a_retry_of_the_sender_is_the_same_event() -> None:
    assert identity(SENT) == identity(dict(SENT))


def test_a_manual_retry_days_later_is_the_same_event_though_its_send_out_differs() -> None:
    again = SENT | {"id": "whs_other", "created_at": "2026-02-09T10:00:00.000Z"}
    assert identity(again) == identity(SENT)
    assert decode(again).occurred_at_ms == decode(SENT).occurred_at_ms


def test_two_distributions_of_one_event_are_two_events() -> None:
    assert identity(SENT | {"source": SENT["source"] | {"id": "distr_2"}}) != identity(SENT)


def test_a_project_webhook_and_a_distribution_of_one_event_are_two_events() -> None:
    assert identity(project_webhook("voucher.loyalty_card.points_added", DATA)) != identity(SENT)


def test_two_events_of_one_distribution_are_two_events() -> None:
    assert identity(SENT | {"event": SENT["event"] | {"id": "ev_2"}}) != identity(SENT)


@pytest.mark.parametrize("changes", [{"event": None}, {"source": None}])
def test_a_send_test_has_an_identity_too(changes: dict[str, Any]) -> None:
    stub = SENT | changes
    assert identity(stub) != identity(SENT)
    assert identity(stub) != ""


def test_a_raw_payload_is_identified_by_its_transaction_whatever_else_is_in_it() -> None:
    assert identity(DATA, POINTS_ADDED) == identity(DATA | {"note": 1}, POINTS_ADDED) == identity(DATA)
    other = DATA | {"transaction": DATA["transaction"] | {"id": "vtx_other"}}
    assert identity(other, POINTS_ADDED) != identity(DATA, POINTS_ADDED)


def test_a_raw_payload_under_two_names_is_two_events() -> None:
    assert identity(DATA, POINTS_ADDED) != identity(DATA, "customer.rewarded")


@pytest.mark.parametrize("booking", [{}, {"transaction": None}, {"transaction": {"id": 7}}, {"transaction": "x"}])
def test_a_raw_payload_without_a_transaction_is_identified_by_what_is_signed(booking: dict[str, Any]) -> None:
    payload = PAYLOADS["customer.order.paid"] | booking
    assert identity(payload) == identity(dict(payload))
    assert identity(payload) != identity(payload | {"note": 1})
    assert decode(payload).occurred_at_ms is None


def test_the_same_event_of_another_entity_is_another_event() -> None:
    other = SENT | {"event": SENT["event"] | {"entity_id": "v_2"}}
    without = SENT | {"event": {key: value for key, value in SENT["event"].items() if key != "entity_id"}}
    assert len({identity(SENT), identity(other), identity(without)}) == 3
    assert identity(without) == identity(without | {"event": without["event"] | {"entity_id": None}})


SEGMENT = {
    "customer": {"id": "cust_1", "name": "Ada", "object": "customer"},
    "segment": {"id": "seg_1", "name": "New", "object": "segment"},
}


def test_the_same_bytes_under_two_event_names_are_two_events() -> None:
    entered, left = "customer.segment.entered", "customer.segment.left"
    assert identity(SEGMENT, entered) == identity(SEGMENT, entered) != identity(SEGMENT, left)


def test_the_name_of_the_project_for_a_raw_payload_makes_no_new_event() -> None:
    assert identity(DATA, "voucher.loyalty_card.points_added") == identity(DATA, POINTS_ADDED) == identity(DATA)
    assert identity(DATA, "shop.loyalty_card.points_added") != identity(DATA)


@pytest.mark.parametrize("payload", [SEGMENT, {"To": "ada@example.com", "Subject": "40 points", "Body": "a  b"}])
def test_data_that_is_not_signed_makes_no_new_event(payload: dict[str, Any]) -> None:
    sent = compact(payload)
    written = [sent, *(b" " * blanks + sent for blanks in range(1, 6)), sent + b"\r\n", b"\xef\xbb\xbf" + sent]
    written += [json.dumps(payload, indent=2).encode(), json.dumps(payload, indent="\t").encode()]
    for hint in ("", "customer.segment.entered"):
        events = [VOUCHERIFY.decode(body, hint) for body in written]
        assert len({event.identity for event in events}) == 1
    inside = {key: f" {value}" for key, value in payload.items()}
    assert identity(inside) != identity(payload)


def test_only_a_hash_is_remembered_and_no_longer_than_the_provider_retries() -> None:
    assert decode(SEGMENT, "customer.segment.entered").remember_s == 25 * 3600
    assert decode(SENT | {"event": None}).remember_s == 25 * 3600
    assert decode(SENT).remember_s is None
    assert decode(DATA).remember_s is None


def signed_as(body: bytes, signed: bytes, secret: Secret) -> SignedRequest:
    """Return a request with a body and the signature of another one."""
    return SignedRequest(body, VOUCHERIFY.sign(SignedRequest(signed, {}), secret))


@pytest.mark.parametrize("value", [SENT, DATA, SEGMENT])
def test_a_byte_order_mark_is_ignored(value: dict[str, Any]) -> None:
    body = b"\xef\xbb\xbf" + compact(value)
    assert VOUCHERIFY.decode(body, "") == VOUCHERIFY.decode(compact(value), "")
    assert VOUCHERIFY.view(body) == VOUCHERIFY.view(compact(value))
    assert VOUCHERIFY.terms(body) == VOUCHERIFY.terms(compact(value))
    secret = Secret("s")
    VOUCHERIFY.verify(signed_as(body, body, secret), secrets=[secret])
    with pytest.raises(SignatureError):
        VOUCHERIFY.verify(signed_as(body, compact(value), secret), secrets=[secret])
