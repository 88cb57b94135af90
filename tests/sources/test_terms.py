"""Tests of the search terms of a body."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.search_terms import MAX_CHARS, MAX_TERMS, term
from sources.voucherify import VOUCHERIFY
from sources.voucherify.search_terms import MAX_BYTES, terms
from tests.sources.payloads import PAYLOADS, POINTS_ADDED, compact, project_webhook, webhook

DATA: dict[str, Any] = {
    "customer": {
        "id": "cust_Q1w2",
        "name": "Ada",
        "email": "Ada+vip@Example.com",
        "metadata": {"since": 2019},
        "source_id": "CRM-77",
    },
    "campaign": {"id": "camp_1", "name": "Tea"},
    "voucher": {"id": "v_8Hj", "code": "TEA-9", "holder_id": "cust_Q1w2"},
    "balance": {"points": 40, "related_object": {"id": "v_8Hj", "type": "voucher"}},
    "transaction": {"id": "vtx_5kL", "source_id": "order-3"},
}
FOUND = ("cust_q1w2", "crm-77", "ada+vip@example.com", "tea-9", "vtx_5kl", "camp_1", "v_8hj", "order-3")
ENVELOPED = ("ev_1", *FOUND, "v_1")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["cust_1", "a@b.de", "ev_2"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["id", "code", "email", "source_id", "customer", "voucher", "event", "holder_id", "x"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@pytest.mark.parametrize("write", [compact, lambda value: json.dumps(value, indent=2).encode()])
def test_a_webhook_is_found_by_event_customer_address_code_and_transaction_in_this_order(write: Any) -> None:
    assert terms(write(webhook(POINTS_ADDED, DATA))) == ENVELOPED
    assert terms(write(project_webhook("voucher.loyalty_card.points_added", DATA))) == ENVELOPED
    assert terms(write(DATA)) == FOUND


def test_a_custom_payload_is_found_by_values_that_look_like_ids_or_addresses() -> None:
    designed = {"who": "cust_Q1w2", "mail": "to ada@example.com.", "card": {"code": "TEA-9"}, "customer_id": "77"}
    body = webhook(POINTS_ADDED, designed, id="whs_2")
    assert terms(compact(body)) == ("ev_1", "cust_q1w2", "77", "ada@example.com", "tea-9", "v_1")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"redemption": {"customer": {"id": "c-9", "source_id": "77"}}}, ("c-9", "77")),
        ({"holder": {"id": "rh_1", "customer_id": "cust_3"}}, ("rh_1", "cust_3")),
        ({"voucher": {"holder_id": "cust_3", "code": "É\u0301x"}}, ("cust_3", "é\u0301x")),
        ({"publication": {"voucher": {"code": 'A"\\B'}}}, ('a"\\b',)),
        ({"event": {"id": "evcus_1a", "customer": {"id": "cust_3"}}}, ("evcus_1a", "cust_3")),
        ({"voucher": {"code": None}, "customer": None, "transaction": {"id": 5}}, ()),
        ({"event_source": "event_type", "v_2": 1, "text": "a@b, a@, @b.de, v_no"}, ()),
    ],
)
def test_other_events_are_found_by_the_person_they_are_about(payload: Any, expected: tuple[str, ...]) -> None:
    assert terms(compact(payload)) == expected


@pytest.mark.parametrize(
    ("key", "id_"),
    [
        ("order", "ord_3cB"),
        ("redemption", "r_0e5"),
        ("rollback", "rr_0f1"),
        ("publication", "pub_9mG"),
        ("campaign", "camp_7Zx"),
        ("rule", "val_4Kd"),
        ("promotion_tier", "promo_6Lr"),
        ("segment", "seg_8Qw"),
        ("distribution", "distr_5Tn"),
        ("loyalty_tier", "ltr_2Ab"),
    ],
)
def test_a_webhook_is_found_by_the_id_of_its_object(key: str, id_: str) -> None:
    about = {"object": key, "id": id_, "metadata": {}, "created_at": "2026-02-03T04:05:06.789Z"}
    body = compact(webhook("an.event", {**DATA, key: about}))
    assert term(id_) in terms(body)
    assert term(id_) in terms(compact({**DATA, key: about}))
    if key != "loyalty_tier":  # without a prefix, only the object's key says what its id identifies
        assert "77-x" in terms(compact({key: {"id": "77-X"}}))


def test_an_order_is_found_by_the_id_of_the_shop_too() -> None:
    assert {"ord_1", "web-100200"} <= set(terms(compact({"order": {"id": "ord_1", "source_id": "WEB-100200"}})))


@pytest.mark.parametrize(
    "typed", ["+49 151 2345678", "+491512345678", "0049 (151) 234-5678", "49.151.2345678", "49151 2345678"]
)
def test_a_phone_number_is_found_however_it_is_written(typed: str) -> None:
    for written in ("+49 151 2345678", "0049151/2345678"):
        assert term(typed) in terms(compact({"customer": {"id": "cust_1", "phone": written}}))


def test_a_body_with_every_kind_of_term_is_found_by_each_of_them() -> None:
    person = {**DATA["customer"], "phone": "+49 151 2345678"}
    order = {"id": "ord_1", "source_id": "WEB-1"}
    payload = {**DATA, "customer": person, "order": order, "redemption": {"id": "r_0e5"}}
    found = set(terms(compact(webhook("customer.redemption.succeeded", payload))))
    wanted = {*FOUND[:6], "491512345678", "ord_1", "web-1", "r_0e5", "v_8hj"}
    assert wanted <= found


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_every_event_is_found_by_its_own_id_and_its_customer_s(name: str) -> None:
    payload = PAYLOADS[name]
    found = terms(compact(webhook(name, payload)))
    customer = payload.get("customer") or {}
    texts = ["ev_1", customer.get("id"), customer.get("source_id"), customer.get("email")]
    texts += [(payload.get("voucher") or {}).get("code"), (payload.get("transaction") or {}).get("id")]
    assert {term(text) for text in texts if text} <= set(found)


def test_a_truncated_body_and_invalid_json_are_found_too() -> None:
    body = compact(webhook(POINTS_ADDED, DATA))
    assert terms(body[: body.index(b"balance")])[:4] == FOUND[:4]
    assert terms(b"\xff\x00 cust_Q1w2 <ada@example.com> \xff") == ("cust_q1w2", "ada@example.com")


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_the_terms_of_a_webhook_are_found_in_each_truncated_copy_that_contains_them(name: str) -> None:
    _holds_in_every_beginning(compact(webhook(name, PAYLOADS[name])), step=7)


@given(json_values)
def test_the_terms_of_any_json_are_found_in_each_truncated_copy_that_contains_them(value: Any) -> None:
    _holds_in_every_beginning(compact(value), step=1)


def _holds_in_every_beginning(body: bytes, *, step: int) -> None:
    """Check that a term is found in each copy that has the character after it, which shows that it is complete."""
    whole = set(terms(body))
    known: set[str] = set()
    for end in range(0, len(body), step):
        found = set(terms(body[:end]))
        assert known <= found
        known |= found & whole
    for text in whole:
        place = body.lower().rfind(text.encode())
        after = body[place + len(text.encode()) :][:1]
        # A term has no white space at its ends, so white space there belongs to the text in the body.
        is_whole = after != b"\\" and not after.isspace()
        if place >= 0 and is_whole:  # else the body spells it in another way than the term
            assert text in terms(body[: place + len(text.encode()) + 1])


@pytest.mark.parametrize("body", [b'{"id":"cust_1', b'{"code":"TEA-', b"mail ada@example.co"])
def test_half_an_id_is_not_a_term(body: bytes) -> None:
    assert terms(body) == ()


@given(st.binary(max_size=400) | st.text().map(str.encode) | json_values.map(compact))
def test_any_bytes_have_a_few_distinct_terms_that_normalize_to_themselves(body: bytes) -> None:
    found = terms(body)
    assert len(found) <= MAX_TERMS
    assert len(set(found)) == len(found)
    assert all(text and term(text) == text for text in found)
    assert terms(body) == found


@given(st.text(max_size=300))
def test_normalizing_a_term_twice_changes_nothing(text: str) -> None:
    normalized = term(text)
    assert term(normalized) == normalized
    assert term(f" {text}\n") == normalized
    assert len(normalized) <= MAX_CHARS


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\x00", "\ud800", "x" * (MAX_CHARS + 1)])
def test_text_that_cannot_be_searched_for_is_not_a_term(text: str) -> None:
    assert term(text) == ""


def test_case_space_and_composition_make_no_difference() -> None:
    assert term(" Ada@EXAMPLE.com\n") == "ada@example.com"
    assert term("Cafe\u0301") == term("CAF\u00c9") == "caf\u00e9"


@pytest.mark.parametrize(
    "part",
    [
        b'"',
        b"@",
        b"a@",
        b"a@b.",
        b"v_",
        b"v_1 ",
        b'"id" ',
        b'"id":"',
        b'"id":"\\a',
        b'"code":"x",',
        b"a@b.de ",
        b" ",
    ],
)
def test_a_huge_hostile_body_takes_a_moment(part: bytes) -> None:
    body = part * (2 * MAX_BYTES // len(part))
    started = time.thread_time()
    assert len(terms(body)) <= MAX_TERMS
    assert time.thread_time() - started < 1.0  # 0.03 s


def test_many_terms_of_one_kind_leave_room_for_others() -> None:
    codes = [{"code": f"C-{number}"} for number in range(50)]
    mails = [f"m{number}@example.com" for number in range(50)]
    found = terms(compact(webhook(POINTS_ADDED, {"codes": codes, "mails": mails, **DATA})))
    assert {"ev_1", "cust_q1w2", "vtx_5kl", "c-0", "m0@example.com"} <= set(found)


def test_the_source_offers_search_terms() -> None:
    assert VOUCHERIFY.terms(VOUCHERIFY.sample(7, POINTS_ADDED))[3] == "member7@example.com"
