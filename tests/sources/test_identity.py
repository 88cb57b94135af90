"""What makes two bodies the same event."""

from typing import Any

import pytest

from tests.sources.payloads import PAYLOADS, POINTS_ADDED, decode, project_webhook, webhook

DATA = PAYLOADS[POINTS_ADDED]
SENT = webhook(POINTS_ADDED, DATA)


def identity(body: object, hint: str = "") -> str:
    return decode(body, hint).identity


def test_the_senders_retry_is_the_same_event() -> None:
    assert identity(SENT) == identity(dict(SENT))


def test_a_persons_retry_days_later_is_the_same_event_though_its_send_out_differs() -> None:
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


def test_a_raw_payload_is_its_booking_whatever_else_is_in_it() -> None:
    assert identity(DATA, POINTS_ADDED) == identity(DATA | {"note": 1}, POINTS_ADDED) == identity(DATA)
    other = DATA | {"transaction": DATA["transaction"] | {"id": "vtx_other"}}
    assert identity(other, POINTS_ADDED) != identity(DATA, POINTS_ADDED)


def test_a_raw_payload_under_two_names_is_two_events() -> None:
    assert identity(DATA, POINTS_ADDED) != identity(DATA, "customer.rewarded")


@pytest.mark.parametrize("booking", [{}, {"transaction": None}, {"transaction": {"id": 7}}, {"transaction": "x"}])
def test_a_raw_payload_without_a_booking_is_its_bytes(booking: dict[str, Any]) -> None:
    payload = PAYLOADS["customer.order.paid"] | booking
    assert identity(payload) == identity(dict(payload))
    assert identity(payload) != identity(payload | {"note": 1})
    assert decode(payload).occurred_at_ms is None
