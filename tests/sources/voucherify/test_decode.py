"""Tests of decoding: from a body to an event, in each envelope that Voucherify sends."""

import json
from codecs import BOM_UTF8
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.errors import DecodeError
from sources.event import UNKNOWN
from sources.voucherify import VOUCHERIFY
from sources.voucherify.decoding.typed_payload import checked_model
from tests.libraries import INT_EXPECTED, AnObject, msgspec_refusal
from tests.sources.payloads import PAYLOADS, compact, decode, project_webhook, replaced, webhook
from tests.sources.payloads import POINTS_ADDED as NAME

PointsAdded: Any = checked_model(NAME)
SAMPLE: dict[str, Any] = json.loads(VOUCHERIFY.sample(7, NAME))


def changed(**changes: object) -> dict[str, Any]:
    return {**SAMPLE, **changes}


def test_a_distribution_webhook_is_named_by_its_event_and_not_by_its_free_text() -> None:
    event = decode(changed(type="Hurra, Punkte!"))
    assert (event.name, event.kind) == (NAME, "distribution")
    assert isinstance(event.data, PointsAdded)
    assert event.data.balance.points == 40


def test_a_project_webhook_decodes_to_the_same_event() -> None:
    name = "voucher.loyalty_card.points_added"
    event = decode(project_webhook(name, SAMPLE["data"]))
    assert (event.name, event.kind) == (name, "project")
    assert isinstance(event.data, PointsAdded)


def test_a_raw_payload_is_named_by_the_url() -> None:
    event = decode(SAMPLE["data"], hint=NAME)
    assert (event.name, event.kind) == (NAME, "raw")
    assert isinstance(event.data, PointsAdded)
    assert event.occurred_at_ms is not None


@pytest.mark.parametrize(
    "name",
    [
        "customer.voucher.loyalty_card.points_added",
        "customer.voucher.gift.balance_added",
        "customer.voucher.loyalty_card.points_expired",
        "customer.custom_event",
    ],
)
def test_a_raw_payload_without_a_hint_is_named_by_its_keys_where_they_are_unambiguous(name: str) -> None:
    event = decode(PAYLOADS[name])
    assert (event.name, event.kind) == (name, "raw")
    assert not isinstance(event.data, dict)


@pytest.mark.parametrize("name", sorted(PAYLOADS.keys() - {"voucher.gift.balance_added"}))
def test_no_payload_gets_the_name_of_another_event(name: str) -> None:
    assert decode(PAYLOADS[name]).name in {name, UNKNOWN}


@pytest.mark.parametrize(
    "payload",
    [
        {"customer": {"id": "cust_1"}},
        {"transaction": {"type": "POINTS_ADDITION"}},
        {"transaction": {"type": 4}, "balance": {"type": "loyalty_card"}},
        {"transaction": [], "balance": "x"},
        {"transaction": {"type": "POINTS_EXPIRATION"}, "buckets": None},
        {"event": {"type": "x"}, "event_schema": None},
    ],
)
def test_a_payload_with_ambiguous_keys_is_unknown(payload: object) -> None:
    assert decode(payload).name == UNKNOWN


def test_an_unknown_event_name_is_a_valid_event() -> None:
    event = decode(changed(event={**SAMPLE["event"], "type": "moon.phase.changed"}, data={"phase": 3}))
    assert event.name == "moon.phase.changed"
    assert event.data == {"phase": 3}


@pytest.mark.parametrize(
    "payload",
    [
        *({"balance": 2641}, {"hello": [1, 2]}, {"source": "web", "type": 3}, [], 5, "x", None, {}),
        {"customer": "Ada", "campaign": "Tea", "voucher": "TEA-1", "balance": "65 points", "transaction": None},
        {"customer": {"name": {"first": "Ada"}}, "campaign": 1, "voucher": [], "balance": {}, "transaction": ""},
    ],
)
def test_a_custom_payload_of_any_form_is_an_event(payload: object) -> None:
    assert decode(payload, hint=NAME).data == payload
    assert decode(webhook(NAME, payload)).data == payload
    assert decode(webhook("customer.created", payload)).data == payload


def test_a_custom_payload_under_a_name_whose_model_has_one_key_is_an_event() -> None:
    for customer in ("Ada", {"name": 5}, ["Ada"], None):
        event = decode(webhook("customer.created", {"customer": customer, "greeting": "Hello"}))
        assert event.data == {"customer": customer, "greeting": "Hello"}


@pytest.mark.parametrize(
    "body",
    [
        webhook("customer.created", {"test": True}),
        webhook("customer.created", {}),
        webhook("customer.created", None),
        webhook("customer.created", "stub", event=None),
        webhook("customer.created", {}, source=None),
        webhook("customer.created", {}, event=None, source=None),
        webhook("customer.created", {}, event={"id": 5, "type": {}, "created_at": 17}, source="x"),
        webhook("customer.created", {}, event={"id": "ev_1"}),
    ],
)
def test_a_test_webhook_with_a_stub_payload_is_an_event(body: dict[str, Any]) -> None:
    event = decode(body)
    assert event.identity
    assert event.kind in {"project", "distribution"}
    assert event.data == body["data"]


@pytest.mark.parametrize("body", [{"type": "customer.created", "data": {}}, {"id": "whs_1", "data": {}}])
def test_a_payload_that_only_resembles_an_envelope_is_a_payload(body: dict[str, Any]) -> None:
    assert (decode(body).kind, decode(body).data) == ("raw", body)


def test_an_envelope_that_also_has_all_keys_of_a_payload_is_an_envelope() -> None:
    event = decode({**SAMPLE["data"], "id": "whs_1", "type": "Say it", "data": {"a": 1}}, hint=NAME)
    assert (event.kind, event.data) == ("project", {"a": 1})


def test_the_order_of_keys_does_not_change_the_event() -> None:
    body = webhook("customer.created", PAYLOADS["customer.order.paid"])
    turned = dict(reversed(body.items())) | {"type": "customer.order.paid"}
    assert decode(turned) == decode(body)
    assert type(decode(turned).data) is checked_model("customer.created")


def test_bad_utf_8_is_found_in_a_field_that_is_not_read() -> None:
    body = compact(webhook(NAME, PAYLOADS[NAME])).replace(b"AUTO_UPDATE", b"AUTO_\xff")
    with pytest.raises(DecodeError, match="not UTF-8: byte"):
        VOUCHERIFY.decode(body, "")


def test_a_test_webhook_without_an_event_is_named_by_the_url_or_else_by_its_type() -> None:
    body = webhook("", {"test": 1}, event=None, type="customer.created", source={"id": "distr_1"})
    assert (decode(body).name, decode(body).kind) == ("customer.created", "distribution")
    assert decode(body, hint=NAME).name == NAME
    assert decode(body).occurred_at_ms is None


@pytest.mark.parametrize(
    ("timestamp", "milliseconds"),
    [
        ("2024-03-11T15:27:44.884Z", 1710170864884),
        ("2024-01-24T08:28:37.621033Z", 1706084917621),
        ("2024-01-24T08:28:37Z", 1706084917000),
        ("2024-01-24T09:28:37+01:00", 1706084917000),
        ("2024-01-24T08: 28: 37.621Z", 1706084917621),
        ("2024-01-24T08:28:37", 1706084917000),
        ("2024-01-24", 1706054400000),
        ("yesterday", None),
        (None, None),
        (1706084917, None),
    ],
)
def test_the_time_of_an_event_is_read_in_every_known_form(timestamp: object, milliseconds: int | None) -> None:
    event = decode(changed(event={**SAMPLE["event"], "created_at": timestamp}))
    assert event.occurred_at_ms == milliseconds


@pytest.mark.parametrize(
    ("event", "place", "wrong", "path", "reason"),
    [
        (NAME, ("balance", "points"), "forty", "balance.points", INT_EXPECTED),
        (NAME, ("balance", "balance"), None, "balance.balance", msgspec_refusal(int, None)),
        (NAME, ("balance",), {"points": 1}, "balance", msgspec_refusal(AnObject, {})),
        (NAME, ("balance",), "many", "balance", msgspec_refusal(AnObject, "")),
        ("customer.voucher.loyalty_card.points_expired", ("points",), "5", "points", INT_EXPECTED),
    ],
)
def test_a_wrong_type_in_a_validated_field_is_reported_with_its_path(
    event: str, place: tuple[str, ...], wrong: object, path: str, reason: str
) -> None:
    payload = replaced(PAYLOADS[event], place, wrong)
    for body, hint, root in ((webhook(event, payload), "", "$.data."), (payload, event, "$.")):
        with pytest.raises(DecodeError) as caught:
            decode(body, hint)
        assert (caught.value.path, caught.value.reason) == (root + path, reason)


@pytest.mark.parametrize("missing", ["customer", "campaign", "voucher", "transaction"])
def test_each_part_except_the_balance_may_be_null(missing: str) -> None:
    event = decode(changed(data={**SAMPLE["data"], missing: None}))
    assert isinstance(event.data, PointsAdded)


@pytest.mark.parametrize(
    "body", [b"", b"nope", b"{", b'{"a":1}x', b"\xff\xfe", b'{"a":"\xff"}', b"[" * 100_000, b'{"data":' * 50_000]
)
def test_invalid_json_is_a_decode_error(body: bytes) -> None:
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


@pytest.mark.parametrize("name", sorted(PAYLOADS))
@given(cut=st.integers(0, 3000), put=st.binary(max_size=4), drop=st.integers(0, 4))
def test_a_webhook_with_a_few_bytes_changed_is_an_event_or_a_decode_error(
    name: str, cut: int, put: bytes, drop: int
) -> None:
    body = compact(webhook(name, PAYLOADS[name]))
    cut %= len(body)
    try:
        event = VOUCHERIFY.decode(body[:cut] + put + body[cut + drop :], "")
    except DecodeError as error:
        assert error.path.startswith("$")
    else:
        assert event.identity


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)
_PLACES = [("data",), ("transaction",)] + [
    (key, inner) for key in SAMPLE["data"] for inner in SAMPLE["data"][key] or ()
]


@given(place=st.sampled_from(_PLACES), value=_JSON)
def test_a_raw_payload_with_any_value_gives_what_decoding_it_completely_gives(
    place: tuple[str, ...], value: object
) -> None:
    payload = compact(replaced(SAMPLE["data"], place, value))
    assert _outcome(payload) == _outcome(BOM_UTF8 + payload)


def _outcome(body: bytes) -> object:
    try:
        return VOUCHERIFY.decode(body, NAME)
    except DecodeError as error:
        return str(error), error.path


def test_the_body_before_does_not_change_an_event() -> None:
    event = {key: SAMPLE["event"][key] for key in ("id", "created_at")}
    # In the second body, another text is where the name is in the first.
    alike = [{**event, "type": NAME}, {**event, "type": "customer.created", "note": NAME}]
    bodies = [compact(changed(event=each)) for each in alike]
    bodies += [compact(webhook(name, PAYLOADS[name])) for name in sorted(PAYLOADS)[:9]]
    bodies += [json.dumps(SAMPLE, indent=1).encode(), VOUCHERIFY.sample(8, NAME)]
    events = [VOUCHERIFY.decode(BOM_UTF8 + body, "") for body in bodies]  # decoded completely
    for before in bodies:
        for body, expected in zip(bodies, events, strict=True):
            VOUCHERIFY.decode(before, "")
            assert VOUCHERIFY.decode(body, "") == expected


def test_templates_see_every_key_of_the_payload() -> None:
    view = VOUCHERIFY.view(json.dumps(changed(data={"anything": {"at": "all"}})).encode())
    assert view == {"anything": {"at": "all"}}
    assert VOUCHERIFY.view(b"[1]") == {"payload": [1]}


@pytest.mark.parametrize(
    "body",
    [
        compact(webhook(NAME, PAYLOADS[NAME])),
        json.dumps(changed(data={"anything": [1.0, "\u00e4"]}), indent=2).encode(),
        compact(changed(data=[1])),
        compact(PAYLOADS[NAME]),
        b"[1]",
    ],
)
def test_the_json_of_a_payload_is_what_templates_see_or_empty(body: bytes) -> None:
    own, view = VOUCHERIFY.payload_json(body), VOUCHERIFY.view(body)
    assert own in body
    assert not own or json.loads(own) == view


@pytest.mark.parametrize(
    "body",
    [
        compact(webhook(NAME, PAYLOADS[NAME])),
        json.dumps(changed(data={"anything": [1.0, "\u00e4"], "balance": 2.50}), indent=2).encode(),
        compact(changed(data=[1])),
        compact(PAYLOADS[NAME]),
        b"[1]",
    ],
)
def test_some_keys_of_a_payload_are_read_as_all_of_them_are(body: bytes) -> None:
    assert VOUCHERIFY.excerpt is not None
    some, view = VOUCHERIFY.excerpt({"balance", "payload", "absent"})(body), VOUCHERIFY.view(body)
    assert {key: repr(view[key]) for key in some} == {key: repr(some[key]) for key in some}
    assert some.keys() >= view.keys() & {"balance", "payload", "absent"}


@pytest.mark.parametrize("body", [b"nope", compact(changed(data={"skipped": "?"})).replace(b"?", b"\xff")])
def test_what_cannot_be_decoded_cannot_be_read_in_part(body: bytes) -> None:
    assert VOUCHERIFY.excerpt is not None
    with pytest.raises(DecodeError):
        VOUCHERIFY.excerpt({"balance"})(body)


def test_the_payload_of_an_envelope_is_available_as_json() -> None:
    assert VOUCHERIFY.payload_json(compact(changed(data={"a": 1}))) == b'{"a":1}'


def test_samples_differ_by_number_and_are_the_same_for_the_same_number() -> None:
    one, again, other = (VOUCHERIFY.decode(VOUCHERIFY.sample(n, NAME), "").identity for n in (1, 1, 2))
    assert one == again != other
