"""Tests that numbers print as the sender wrote them, and calculate as numbers."""

import copy
import json
import sys
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sources.voucherify import VOUCHERIFY
from sources.written_number import WrittenNumber, as_json, as_plain_json
from worker.channels.http import _encode
from worker.rules.render import Renderer, RenderError
from worker.rules.rules import Rule
from worker.templates.template import seen_by_templates

decode = msgspec.json.Decoder(float_hook=WrittenNumber).decode

fractions = st.from_regex(r"-?(0|[1-9][0-9]{0,20})\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(fractions)
@example("10.00")
@example("-0.0")
@example("1e999999999")
@example("123456789012345678901234567890.10")
def test_a_number_is_printed_and_sent_on_as_it_was_written(written: str) -> None:
    number = decode(written.encode())
    assert str(number) == written
    assert number == float(written)
    assert msgspec.json.Encoder(enc_hook=as_json).encode({"n": number}) == f'{{"n":{written}}}'.encode()
    assert str(copy.deepcopy(number)) == written


@given(st.decimals(-(10**9), 10**9, places=2), st.decimals(-(10**9), 10**9, places=2))
def test_sums_differences_and_products_are_exact(one: Decimal, other: Decimal) -> None:
    left, right = WrittenNumber(str(one)), WrittenNumber(str(other))
    assert Decimal(str(left + right)) == one + other
    assert Decimal(str(left - right)) == one - other
    assert Decimal(str(left * right)) == one * other
    assert (left < right) is (one < other)
    assert Decimal(str(-left)) == -one and Decimal(str(abs(left))) == abs(one)


@given(fractions, fractions)
@example("1e999", "1e-999")
@example("1e308", "1e308")
@example("0.0", "0.0E-200")
@example("2", "0e-99999")
def test_a_calculation_never_fails_and_never_makes_a_long_text(one: str, other: str) -> None:
    for result in (WrittenNumber(one) + WrittenNumber(other), WrittenNumber(one) * WrittenNumber(other)):
        assert len(str(result)) < 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ price }} {{ p2 }}", "10.00 19.90"),
        ("{{ price + p2 }}", "29.90"),
        ("{{ 0.1 + tenth }}", "0.2"),
        ("{{ p2 * 2 }} {{ 2 * p2 }} {{ p2 - 1 }} {{ 20 - p2 }}", "39.80 39.80 18.90 0.10"),
        ("{{ [price, p2] | sum }}", "29.90"),
        ("{{ [p2, price] | sort | first }} {{ [p2, price] | max }}", "10.00 19.90"),
        ("{{ price / 4 }}", "2.5"),
        ("{{ price ~ '' }}", "10.00"),
        ("{{ '%.1f' % p2 }} {{ '{:.1f}'.format(p2) }} {{ p2 | round(1) }}", "19.9 19.9 19.9"),
        ("{{ price | number }} {{ p2 | money('eur') }}", "10 €19.90"),
        ("{{ price > 9.5 }} {{ price == 10 }} {{ price in [10] }} {{ price | int }}", "True True True 10"),
    ],
)
def test_templates_print_and_calculate_with_amounts(text: str, expected: str) -> None:
    body = b'{"price":10.00,"p2":19.90,"tenth":0.1}'
    renderer = Renderer([Rule(name="r", events=("*",), channel="c", text=text)])
    seen = seen_by_templates(VOUCHERIFY.view(body), event="e", source="s")
    assert renderer.render("r", seen).text == expected


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,9})?", fullmatch=True))
def test_any_notation_of_a_number_is_formatted_or_refused_with_a_reason(written: str) -> None:
    renderer = Renderer([Rule(name="r", events=("*",), channel="c", text="{{ n | number }} {{ n }}")])
    try:
        seen = seen_by_templates(VOUCHERIFY.view(f'{{"n":{written}}}'.encode()), event="e", source="s")
        assert len(renderer.render("r", seen).text) < 5000
    except RenderError:
        pass


def test_a_notification_has_amounts_as_the_sender_wrote_them() -> None:
    assert _encode(VOUCHERIFY.view(b'{"price":10.00}')) == b'{"price":10.00}'


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_a_plain_copy_equals_the_usual_decoding_of_json(payload: dict[str, object]) -> None:
    body = json.dumps(payload).encode()
    as_sent = decode(body)
    encoded = msgspec.json.Encoder(enc_hook=as_json).encode(as_sent)
    assert json.dumps(as_plain_json(as_sent)) == json.dumps(json.loads(body))
    assert msgspec.json.decode(msgspec.json.encode(as_plain_json(as_sent))) == payload
    assert msgspec.json.Encoder(enc_hook=as_json).encode(as_sent) == encoded


@pytest.mark.parametrize("opening, closing", [(b'{"a":', b"}"), (b"[", b"]")])
def test_a_payload_that_can_be_decoded_can_be_copied_however_deep_it_is(opening: bytes, closing: bytes) -> None:
    payload = decode(b'{"a":' + opening * 400 + b"1.50" + closing * 400 + b"}")
    for calls in (0, sys.getrecursionlimit() - 300):
        plain = _below(calls, lambda: as_plain_json(payload))
        assert msgspec.json.encode(plain).count(b"1.5") == 1


def _below(calls: int, function: Callable[[], object]) -> object:
    """Call the function from below so many other calls."""
    return _below(calls - 1, function) if calls else function()
