"""Tests of drift: where a payload differs from its model."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.drift_finding import Finding
from sources.shared.differences import MAX_FINDINGS
from sources.voucherify.drift import compare
from tests.sources.payloads import PAYLOADS, POINTS_ADDED, replaced

DATA = PAYLOADS[POINTS_ADDED]


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_a_payload_that_fits_its_model_has_no_drift(name: str) -> None:
    assert compare(name, PAYLOADS[name]) == []


def test_a_new_key_is_reported_with_its_path_and_type_and_not_its_value() -> None:
    drifted = replaced(DATA, ("voucher", "loyalty_card", "stars"), 5)
    assert compare(POINTS_ADDED, drifted) == [
        Finding("unknown key", "$.data.voucher.loyalty_card.stars", found="integer")
    ]


def test_a_missing_key_is_reported_where_the_vendor_always_sends_it() -> None:
    without = {key: value for key, value in DATA.items() if key != "campaign"}
    assert compare(POINTS_ADDED, without) == [Finding("missing key", "$.data.campaign")]
    poor = replaced(DATA, ("balance",), {"points": 1, "object": "balance"})
    assert compare(POINTS_ADDED, poor) == [Finding("missing key", "$.data.balance.balance")]


@pytest.mark.parametrize(
    ("path", "value", "expected", "actual"),
    [
        (("campaign", "category"), {"id": "cat_1"}, "null or string", "object"),
        (("campaign", "auto_join"), "yes", "boolean or null", "string"),
        (("voucher", "redemption", "quantity"), 1.5, "integer or null", "number"),
        (("voucher", "redemption", "quantity"), True, "integer or null", "boolean"),
        (("balance", "points"), None, "integer", "null"),
        (("transaction",), [], "null or object", "array"),
    ],
)
def test_a_changed_type_is_reported_even_where_decoding_ignores_it(
    path: tuple[str, ...], value: object, expected: str, actual: str
) -> None:
    findings = compare(POINTS_ADDED, replaced(DATA, path, value))
    assert findings == [Finding("changed type", "$.data." + ".".join(path), expected, actual)]


def test_a_whole_number_is_accepted_where_fractions_are() -> None:
    name = "customer.order.paid"
    assert compare(name, replaced(PAYLOADS[name], ("order", "amount"), 900.5)) == []


def test_list_items_and_keys_of_free_objects_share_one_path() -> None:
    name = "customer.order.paid"
    item = PAYLOADS[name]["order"]["items"][0] | {"colour": "green"}
    assert compare(name, replaced(PAYLOADS[name], ("order", "items"), [item, item])) == [
        Finding("unknown key", "$.data.order.items[*].colour", found="string")
    ]
    name = "customer.created"
    programmes = {"Tea": {"hearts": 1}, "Ada's private programme": {"hearts": 2}}
    drifted = replaced(PAYLOADS[name], ("customer", "loyalty", "campaigns"), programmes)
    assert [finding.path for finding in compare(name, drifted)] == ["$.data.customer.loyalty.campaigns[*].hearts"]


def test_free_objects_are_not_checked() -> None:
    assert compare(POINTS_ADDED, replaced(DATA, ("customer", "metadata"), {"x": [{"y": object}]})) == []


@pytest.mark.parametrize(
    "payload",
    [
        {},
        [],
        None,
        "x",
        {"customer": "Ada"},
        {"customer": DATA["customer"], "note": "hi"},
        {"balance": {"points": 1}},
    ],
)
def test_a_custom_payload_is_not_drift(payload: object) -> None:
    assert compare(POINTS_ADDED, payload) == []


def test_an_event_without_a_model_has_no_drift() -> None:
    assert compare("moon.phase.changed", DATA) == []


def test_the_number_of_findings_is_limited() -> None:
    many = DATA | {f"key_{number}": number for number in range(1000)}
    assert len(compare(POINTS_ADDED, many)) == MAX_FINDINGS
    [finding] = compare(POINTS_ADDED, DATA | {"k" * 10_000: 1})
    assert len(finding.path) < 100


def test_the_paths_of_a_raw_payload_start_at_the_root() -> None:
    assert [finding.path for finding in compare(POINTS_ADDED, DATA | {"more": 1}, root="$")] == ["$.more"]


def test_deep_payloads_are_checked_to_a_limited_depth() -> None:
    deep: Any = {}
    for _ in range(sys.getrecursionlimit() // 2):
        deep = {"reward": {"voucher": deep, "customer": {"x": deep}}}
    assert len(compare(POINTS_ADDED, DATA | {"balance": DATA["balance"] | deep, "customer": deep})) <= MAX_FINDINGS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(PAYLOADS)), st.data(), json_values)
def test_finding_drift_never_fails_and_never_changes_the_payload(
    name: str, data: st.DataObject, value: object
) -> None:
    payload = PAYLOADS[name]
    key = data.draw(st.sampled_from(sorted(payload)))
    inner = payload[key]
    drifted = payload | {key: value}
    if isinstance(inner, dict):
        drifted = payload | {key: inner | {data.draw(st.sampled_from(sorted(inner))): value}}
    for finding in compare(name, drifted):
        assert finding.path.startswith("$.data")
