"""Personal data stays hidden by default."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.masking import MASK, masked, masked_body, masked_text
from inspector.texts import printable, size, span
from tests.inspector.running import sample


def test_a_real_payload_keeps_its_shape_and_loses_the_person() -> None:
    customer = json.loads(sample(3))["data"]["customer"]
    shown = masked_body(sample(3))

    assert shown["data"]["customer"]["name"] == MASK
    assert shown["data"]["customer"]["email"] == MASK
    assert shown["data"]["balance"]["points"] == 40
    assert shown["event"]["type"] == "customer.voucher.loyalty_card.points_added"
    assert customer["name"] not in json.dumps(shown)
    assert customer["email"] not in json.dumps(shown)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Ada Novak"},
        {"firstName": "Ada Novak"},
        {"customer_name": "Ada Novak"},
        {"E-Mail": "Ada Novak"},
        {"email_address": "Ada Novak"},
        {"phone": {"number": "Ada Novak"}},
        {"phone": ["Ada Novak"]},
        {"address": {"line_1": "Ada Novak"}},
        {"birthdate": "Ada Novak"},
        [{"deep": [{"mobile": "Ada Novak"}]}],
    ],
)
def test_values_under_personal_keys_are_masked(value: Any) -> None:
    assert "Ada" not in json.dumps(masked(value))
    assert MASK in json.dumps(masked(value))


def test_numbers_under_personal_keys_are_masked_and_absence_is_shown() -> None:
    assert masked({"phone": 48600100200, "email": None, "name": "", "mobile": True}) == {
        "phone": MASK,
        "email": None,
        "name": "",
        "mobile": True,
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such user ada.novak+x@mail.example.co.uk, sorry", "no such user ***, sorry"),
        ("call +48 600-100-200 now", "call *** now"),
        ('refused: {"name": "Ada Novak", "points": 4}', 'refused: {"name": "***", "points": 4}'),
        ('cut off: {"name":"Ada Nov', 'cut off: {"name":"***"'),
        ("answered 503 at 2025-01-09T10:00:00.000+00:00", "answered 503 at 2025-01-09T10:00:00.000+00:00"),
        ("Expected `int`, got `str`", "Expected `int`, got `str`"),
    ],
)
def test_personal_data_in_free_text_is_masked(text: str, shown: str) -> None:
    assert masked_text(text) == shown


def test_an_address_as_a_key_or_an_id_is_masked() -> None:
    assert masked({"ada@example.com": 1, "source_id": "ada@example.com"}) == {MASK: 1, "source_id": MASK}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"name":"Ada'])
def test_a_body_that_is_no_json_is_never_half_masked(body: bytes) -> None:
    with pytest.raises(ValueError):
        masked_body(body)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_can_be_masked(value: Any) -> None:
    msgspec.json.encode(masked_body(msgspec.json.encode(value)))


@given(st.text())
def test_printable_text_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    assert printable("\x1b[31m") == "\\x1b[31m"


def test_spans_and_sizes_are_told_in_their_largest_unit() -> None:
    assert [span(ms) for ms in (-5, 350, 1000, 59_999, 60_000, 3_600_000, 90_000_000)] == [
        "0 ms",
        "350 ms",
        "1 s",
        "59 s",
        "1 min",
        "1 h",
        "1 d",
    ]
    assert [size(number) for number in (0, 1023, 1536, 3 * 2**20, 5 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "3.0 MiB",
        "5.0 GiB",
    ]
