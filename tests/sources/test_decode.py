"""Body to event, in each wrapping that Voucherify sends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.errors import DecodeError
from sources.event import UNKNOWN, Event
from sources.voucherify import VOUCHERIFY
from sources.voucherify.models import PointsAdded

NAME = "customer.voucher.loyalty_card.points_added"
SAMPLE: dict[str, Any] = json.loads(VOUCHERIFY.sample(7, NAME))


def decode(value: object, hint: str = "") -> Event:
    return VOUCHERIFY.decode(json.dumps(value).encode(), hint)


def changed(**changes: object) -> dict[str, Any]:
    return {**SAMPLE, **changes}


def test_a_distribution_webhook_is_named_by_its_event_and_not_by_its_free_text() -> None:
    event = decode(changed(type="Hurra, Punkte!"))
    assert event.name == NAME
    assert isinstance(event.data, PointsAdded)
    assert event.data.balance.points == 40


def test_a_project_webhook_decodes_alike() -> None:
    name = "voucher.loyalty_card.points_added"
    event = decode(
        changed(
            type=name,
            source={"id": "wh_1", "object": "webhook", "target_url": "https://x.example"},
            event={**SAMPLE["event"], "type": name},
        )
    )
    assert event.name == name
    assert isinstance(event.data, PointsAdded)


def test_a_raw_payload_is_named_by_the_url() -> None:
    event = decode(SAMPLE["data"], hint=NAME)
    assert event.name == NAME
    assert isinstance(event.data, PointsAdded)
    assert event.occurred_at_ms is not None


def test_a_raw_payload_without_a_hint_is_named_by_its_shape_where_that_is_certain() -> None:
    assert decode(SAMPLE["data"]).name == NAME
    assert decode({"customer": {"id": "cust_1"}}).name == UNKNOWN


def test_an_unknown_event_name_is_a_valid_event() -> None:
    event = decode(changed(event={**SAMPLE["event"], "type": "moon.phase.changed"}, data={"phase": 3}))
    assert event.name == "moon.phase.changed"
    assert event.data == {"phase": 3}


@pytest.mark.parametrize(
    "payload", [{"balance": 2641}, {"hello": [1, 2]}, {"source": "web", "type": 3}, [], 5, "x"]
)
def test_a_payload_of_any_designed_shape_is_an_event(payload: object) -> None:
    assert decode(payload, hint=NAME).data == payload


def test_a_redelivery_has_the_same_identity_though_its_send_out_differs() -> None:
    again = changed(id="whs_another", created_at="2031-01-01T00:00:00.000Z")
    assert decode(again).identity == decode(SAMPLE).identity
    assert decode(again).occurred_at_ms == decode(SAMPLE).occurred_at_ms


def test_two_distributions_of_one_event_are_two_events() -> None:
    assert decode(changed(source={**SAMPLE["source"], "id": "distr_other"})).identity != decode(SAMPLE).identity


def test_a_raw_payload_is_identified_by_its_transaction_else_by_its_bytes() -> None:
    data = SAMPLE["data"]
    assert decode(data, NAME).identity == decode({**data, "extra": 1}, NAME).identity
    assert decode(data, NAME).identity != decode(data, "customer.rewarded").identity
    assert decode({"a": 1}).identity == decode({"a": 1}).identity != decode({"a": 2}).identity


@pytest.mark.parametrize(
    ("timestamp", "milliseconds"),
    [
        ("2024-03-11T15:27:44.884Z", 1710170864884),
        ("2024-01-24T08:28:37.621033Z", 1706084917621),
        ("2024-01-24T08:28:37Z", 1706084917000),
        ("2024-01-24T09:28:37+01:00", 1706084917000),
    ],
)
def test_the_events_own_time_is_read_in_every_form_seen(timestamp: str, milliseconds: int) -> None:
    event = decode(changed(event={**SAMPLE["event"], "created_at": timestamp}))
    assert event.occurred_at_ms == milliseconds


def test_a_wrong_type_where_hookline_relies_on_it_tells_the_place() -> None:
    data = {**SAMPLE["data"], "balance": {**SAMPLE["data"]["balance"], "points": "forty"}}
    with pytest.raises(DecodeError) as caught:
        decode(changed(data=data))
    assert caught.value.path == "$.data.balance.points"
    assert caught.value.reason == "Expected `int`, got `str`"


@pytest.mark.parametrize("missing", ["customer", "campaign", "voucher", "transaction"])
def test_each_part_but_the_balance_may_be_null(missing: str) -> None:
    event = decode(changed(data={**SAMPLE["data"], missing: None}))
    assert isinstance(event.data, PointsAdded)


@pytest.mark.parametrize(
    "body", [b"", b"nope", b"{", b'{"a":1}x', b"\xff\xfe", b'{"a":"\xff"}', b"[" * 100_000, b'{"data":' * 50_000]
)
def test_what_is_not_json_is_a_decode_error_and_nothing_else(body: bytes) -> None:
    with pytest.raises(DecodeError):
        VOUCHERIFY.decode(body, "")


@given(st.binary(max_size=300) | st.text().map(str.encode), st.sampled_from(["", NAME, "other"]))
def test_no_bytes_make_decode_raise_anything_but_a_decode_error(body: bytes, hint: str) -> None:
    try:
        event = VOUCHERIFY.decode(body, hint)
    except DecodeError:
        return
    assert event.identity
    assert VOUCHERIFY.view(body) is not None


def test_templates_see_every_key_of_the_payload() -> None:
    view = VOUCHERIFY.view(json.dumps(changed(data={"anything": {"at": "all"}})).encode())
    assert view == {"anything": {"at": "all"}}
    assert VOUCHERIFY.view(b"[1]") == {"payload": [1]}


def test_samples_differ_by_number_and_repeat_by_number() -> None:
    one, again, other = (VOUCHERIFY.decode(VOUCHERIFY.sample(n, NAME), "").identity for n in (1, 1, 2))
    assert one == again != other
