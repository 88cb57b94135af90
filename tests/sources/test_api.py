"""Tests of the provider API: which customer a payload is about, the request, and what its answer adds."""

from typing import Any

import pytest

from sources.api import LookUp, filled
from sources.secret import Secret
from sources.voucherify import VOUCHERIFY
from sources.voucherify.api import customer, headers


@pytest.mark.parametrize(
    "payload",
    [
        {"customer": {"id": "cust_1"}, "holder": {"id": "cust_2"}, "voucher": {"holder_id": "cust_3"}},
        {"customer": {"id": None, "source_id": "cust_1"}, "voucher": {"holder_id": "cust_3"}},
        {"customer": None, "holder": {"id": "rh_9", "customer_id": "cust_1"}},
        {"customer": None, "holder": {"id": "cust_1"}, "voucher": {"holder_id": "cust_3"}},
        {"holder": {"id": "rh_9"}, "voucher": {"holder_id": "cust_1"}},
        {"customer": "Ada", "voucher": {"holder_id": "cust_1"}},
        {"order": {"customer_id": "cust_1"}},
        {"publication": {"customer_id": "cust_1"}},
        {"redemption": {"customer_id": "cust_1"}},
        {"customer_id": "cust_1", "greeting": "hello"},
    ],
)
def test_the_customer_is_that_of_the_payload_or_else_the_holder_of_the_voucher(payload: dict[str, Any]) -> None:
    assert customer(payload) == LookUp("customer", "/v1/customers/cust_1")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"payload": [1, 2]},
        {"customer": {"id": ""}},
        {"customer": {"id": 7}},
        {"customer": {"id": "."}, "holder": {"id": ".."}},
        {"customer": {"id": "x" * 257}},
        {"customer": None, "voucher": {"holder_id": None}},
    ],
)
def test_a_payload_without_a_customer_makes_no_request(payload: dict[str, Any]) -> None:
    assert customer(payload) is None


def test_an_id_stays_one_part_of_the_path() -> None:
    lookup = customer({"customer": {"id": "../a b?c#d/é%2e"}})

    assert lookup == LookUp("customer", "/v1/customers/..%2Fa%20b%3Fc%23d%2F%C3%A9%252e")


def test_the_headers_authenticate() -> None:
    assert headers("app", Secret("token-1")) == {"X-App-Id": "app", "X-App-Token": "token-1"}


def test_every_region_that_sends_webhooks_has_an_api() -> None:
    assert VOUCHERIFY.api is not None
    assert set(VOUCHERIFY.api.regions) == set(VOUCHERIFY.addresses)
    assert all(url.startswith("https://") for url in VOUCHERIFY.api.regions.values())


def test_an_answer_fills_in_missing_and_null_values_and_changes_nothing_else() -> None:
    payload = {"customer": {"id": "c", "name": "Ada", "email": None, "metadata": {}}, "points": 1}
    answer = {"id": "c", "name": "Other", "email": "ada@example.com", "metadata": {"a": 1}, "phone": "1"}

    result = filled(payload, "customer", answer)

    assert result == {
        "customer": {"id": "c", "name": "Ada", "email": "ada@example.com", "metadata": {}, "phone": "1"},
        "points": 1,
    }
    assert payload["customer"] == {"id": "c", "name": "Ada", "email": None, "metadata": {}}


@pytest.mark.parametrize("payload", [{}, {"customer": None}])
def test_an_answer_is_the_whole_customer_where_the_payload_has_none(payload: dict[str, Any]) -> None:
    assert filled(payload, "customer", {"id": "c"}) == {"customer": {"id": "c"}}


def test_a_customer_that_is_not_an_object_is_kept_unchanged() -> None:
    assert filled({"customer": "Ada"}, "customer", {"id": "c"}) == {"customer": "Ada"}
