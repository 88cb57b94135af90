"""Tests that each body that the vendor's schema allows is an event with its name, without drift."""

from typing import Any

import msgspec
import pytest

from sources.errors import DecodeError
from sources.voucherify import VOUCHERIFY
from sources.voucherify.decoding.event_names import fits
from sources.voucherify.drift import Finding, compare
from sources.voucherify.models import MODELS
from sources.voucherify.schema.declared import declared
from tests.sources.conforming import conforming
from tests.sources.payloads import PAYLOADS, POINTS_ADDED, compact, project_webhook, replaced, webhook

NAMES = sorted(name for name in MODELS if declared(name))
SEEDS = range(8)


def test_the_schema_has_the_events_that_it_had_when_it_was_downloaded() -> None:
    assert len(NAMES) == 72


@pytest.mark.parametrize("name", NAMES)
def test_no_body_that_the_schema_allows_is_a_dead_letter(name: str) -> None:
    for seed in SEEDS:
        data = conforming(name, seed)
        for body, hint, kind in (
            (project_webhook(name, data), "", "project"),
            (webhook(name, data), "", "distribution"),
            (data, name, "raw"),
        ):
            event = VOUCHERIFY.decode(compact(body), hint)
            assert (event.name, event.kind) == (name, kind)


@pytest.mark.parametrize("name", NAMES)
def test_no_body_that_the_schema_allows_is_drift(name: str) -> None:
    for seed in SEEDS:
        assert compare(name, conforming(name, seed)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_raw_payload_that_the_schema_allows_is_accepted_under_its_name(name: str) -> None:
    for seed in SEEDS:
        assert fits(conforming(name, seed), name)


def test_a_real_difference_is_found_in_a_payload_that_the_schema_allows() -> None:
    name = "redemption.succeeded"
    data = conforming(name, 0) | {"voucher": {"object": "voucher", "stars": 5}, "redemption": {"result": 7}}
    assert Finding("unknown key", "$.data.voucher.stars", found="integer") in compare(name, data)
    assert Finding("changed type", "$.data.redemption.result", "null or string", "integer") in compare(name, data)


def voucher_deleted(**changes: Any) -> dict[str, Any]:
    return {"voucher": None, "campaign": {"id": "camp_1", "name": "Spring", "object": "campaign"}} | changes


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("voucher.deleted", voucher_deleted()),
        ("voucher.deleted", voucher_deleted(voucher={"id": "v_1", "gift": {"amount": 1234.5, "balance": 0.5}})),
        (
            "business_validation_rule.assignment.deleted",
            {"rule": None, "assignment": {"id": "asgm_1", "object": "validation_rules_assignment"}},
        ),
        ("voucher.gift.transaction.created", {"transaction": None, "voucher": {"id": "v_1", "object": "voucher"}}),
        ("campaign.loyalty_tier.deleted", {"campaign": None, "loyalty_tier": {"id": "ltr_1", "object": "tier"}}),
    ],
)
def test_null_and_fractional_parts_are_typed_and_not_drift(name: str, data: dict[str, Any]) -> None:
    for body, hint in ((project_webhook(name, data), ""), (data, name)):
        event = VOUCHERIFY.decode(compact(body), hint)
        assert isinstance(event.data, msgspec.Struct)
        assert event.name == name
    assert compare(name, data) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("customer", "email"), 5),
        (("customer", "name"), {"first": "Ada"}),
        (("customer",), "Ada"),
        (("voucher", "loyalty_card", "points"), 1.5),
        (("voucher", "loyalty_card"), [1]),
    ],
)
def test_an_optional_part_makes_no_dead_letter_whatever_its_value_is(path: tuple[str, ...], value: object) -> None:
    data = replaced(PAYLOADS[POINTS_ADDED], path, value)
    for body, hint in ((webhook(POINTS_ADDED, data), ""), (data, POINTS_ADDED)):
        event: Any = VOUCHERIFY.decode(compact(body), hint)
        assert event.data.balance.points == 15
        part = event.data
        for key in path:
            part = getattr(part, key)
        assert part is None
    assert [finding.what for finding in compare(POINTS_ADDED, data)] == ["changed type"]


@pytest.mark.parametrize("written", [b"15.0", b"1.5e1", b"150E-1"])
def test_a_whole_number_is_an_integer_however_it_is_written(written: bytes) -> None:
    for body, hint in (
        (webhook(POINTS_ADDED, PAYLOADS[POINTS_ADDED]), ""),
        (PAYLOADS[POINTS_ADDED], POINTS_ADDED),
    ):
        sent = compact(body).replace(b'"points":15', b'"points":' + written)
        event: Any = VOUCHERIFY.decode(sent, hint)
        assert event.data.balance.points == 15
        assert type(event.data.balance.points) is int
        data: Any = VOUCHERIFY.view(sent)
        assert compare(POINTS_ADDED, data) == []


def test_a_fraction_where_whole_points_are_needed_is_a_dead_letter() -> None:
    with pytest.raises(DecodeError, match=r"Expected `int`, got `float` - at \$\.data\.balance\.points"):
        data = replaced(PAYLOADS[POINTS_ADDED], ("balance", "points"), 40.5)
        VOUCHERIFY.decode(compact(webhook(POINTS_ADDED, data)), "")
