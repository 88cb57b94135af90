"""Tests that every event has its typed `data`: strict in validated fields, tolerant elsewhere."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from sources.errors import DecodeError
from sources.voucherify import VOUCHERIFY
from sources.voucherify.models import MODELS
from tests.sources.payloads import PAYLOADS, at, compact, decode, least, leaves, project_webhook, replaced, webhook

FAMILIES = """
redemption.{succeeded,failed} redemption.rollback.{succeeded,failed}
customer.{created,updated,deleted,confirmed,rewarded} customer.rewarded.loyalty_points
publication.succeeded
voucher.{created,updated,deleted,enabled,disabled,published}
voucher.gift.{balance_added,transaction.created}
voucher.loyalty_card.{points_added,points_expired,transaction.created}
voucher.loyalty_card.pending_points.{added,updated,activated,canceled}
campaign.{created,updated,deleted,enabled,disabled}
campaign.vouchers.added campaign.vouchers.generation.{started,completed,failed}
campaign.loyalty_tier.{created,updated,deleted} campaign.referral_tier.{created,updated,deleted}
campaign.promotion_tier.{created,updated,deleted,enabled,disabled} campaign.promotion_stack.{created,updated}
campaign.earning_rule.{assigned,deleted,enabled,disabled,updated}
campaign.reward.assignment.{created,updated,deleted}
business_validation_rule.{created,updated,deleted} business_validation_rule.assignment.{created,deleted}
customer.custom_event customer.segment.{entered,left}
customer.loyalty.tier.{joined,upgraded,downgraded,prolonged,left}
customer.order.{created,paid,updated,canceled}
customer.publication.succeeded customer.redemption.succeeded customer.redemption.rollback.succeeded
customer.referred
customer.reward_redemptions.{created,pending,completed}
customer.voucher.gift.balance_added customer.voucher.loyalty_card.{points_added,points_expired}
customer.voucher.loyalty_card.pending_points.{added,updated,activated,canceled}
customer.holder.assignment.{created,deleted}
manual_distribution_schedule loyalty_card.pending_points.updated
"""
"""The names that Voucherify documents."""


STRICT = {("balance", "points"), ("balance", "amount"), ("balance", "balance"), ("points",)}
"""Fields that each notification about an addition or an expiry needs."""


def names() -> list[str]:
    result = []
    for family in FAMILIES.split():
        prefix, _, ends = family.rstrip("}").partition("{")
        result += [prefix + end for end in ends.split(",")]
    return result


def test_there_is_a_model_for_each_documented_event_and_no_other() -> None:
    assert sorted(names()) == sorted(MODELS)


@pytest.mark.parametrize("name", names())
def test_the_smallest_payload_of_an_event_decodes_typed(name: str) -> None:
    for event in (
        decode(project_webhook(name, least(name))),
        decode(webhook(name, least(name))),
        decode(least(name), name),
    ):
        assert isinstance(event.data, Struct)
        assert type(event.data).__name__ == MODELS[name].__name__


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_typed_fields_equal_the_json(name: str) -> None:
    typed = dict(leaves(decode(webhook(name, PAYLOADS[name])).data))
    assert typed == {path: at(PAYLOADS[name], path) for path in typed}
    assert typed


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_a_wrong_type_in_a_checked_field_leaves_it_out_or_is_a_decode_error_at_its_path(name: str) -> None:
    typed = dict(leaves(decode(webhook(name, PAYLOADS[name])).data))
    for path, value in typed.items():
        wrong = {"no": "such"} if not isinstance(value, dict) else "no such"
        body = webhook(name, replaced(PAYLOADS[name], path, wrong))
        if path in STRICT and name.endswith(("_added", "_expired")):
            with pytest.raises(DecodeError) as caught:
                decode(body)
            assert caught.value.path == "$.data." + ".".join(path)
        else:
            left = {other: value for other, value in typed.items() if other != path}
            assert dict(leaves(decode(body).data)) == left


def all_paths(payload: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(payload, dict):
        return [path]
    return [path, *(below for key, value in payload.items() for below in all_paths(value, (*path, key)))]


@pytest.mark.parametrize("name", sorted(PAYLOADS))
@given(data=st.data())
def test_any_other_field_may_be_absent_or_null_or_of_another_type(name: str, data: st.DataObject) -> None:
    payload = PAYLOADS[name]
    event = decode(webhook(name, payload))
    checked = [path for path, _ in leaves(event.data)]
    free = [path for path in all_paths(payload)[1:] if not any(own[: len(path)] == path for own in checked)]
    path = data.draw(st.sampled_from(free))
    if any(path[: len(own)] == own for own in checked) or at(payload, path) is None:
        return
    changed = replaced(payload, path, data.draw(st.sampled_from([None, 5, "text", [1], {"new": True}])))
    assert decode(webhook(name, changed)).name == name


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_unknown_keys_are_accepted_anywhere(name: str) -> None:
    payload: Any = PAYLOADS[name]
    event = decode(webhook(name, payload))
    for path in all_paths(payload):
        if not isinstance(at(payload, path), dict) or "metadata" in path:
            continue
        grown = at(payload, path) | {"brand_new": {"deep": [1]}}
        assert decode(webhook(name, replaced(payload, path, grown) if path else grown)).data == event.data


@pytest.mark.parametrize("model", sorted(set(MODELS.values()), key=str))
def test_every_field_except_amounts_and_the_keys_of_data_may_be_null(model: type[Struct]) -> None:
    strict = {
        (struct.__name__, field.name)
        for struct in structs_in(model)
        for field in msgspec.structs.fields(struct)
        if field.required and struct is not model
    }
    assert {owner for owner, _ in strict} <= {"PointsBalance", "CreditBalance"}


def structs_in(model: type[Struct]) -> set[type[Struct]]:
    structs: set[type[Struct]] = set()

    def walk(shape: Any) -> None:
        if isinstance(shape, msgspec.inspect.StructType):
            structs.add(shape.cls)
            for field in shape.fields:
                walk(field.type)
        for inner in ("types", "item_type", "value_type"):
            deeper = getattr(shape, inner, ())
            for part in deeper if isinstance(deeper, tuple) else (deeper,):
                walk(part)

    walk(msgspec.inspect.type_info(model))
    return structs


def test_an_undocumented_name_is_an_event_with_every_key_of_its_payload() -> None:
    event = decode(webhook("moon.phase.changed", {"phase": 3}))
    assert (event.name, event.data) == ("moon.phase.changed", {"phase": 3})
    assert VOUCHERIFY.view(compact(webhook("moon.phase.changed", {"phase": 3}))) == {"phase": 3}
